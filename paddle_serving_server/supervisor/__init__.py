"""The process that binds the ports, and starts, watches and replaces all others."""
