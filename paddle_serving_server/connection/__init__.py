"""What a connection is to every protocol: back pressure, memory, pace."""
