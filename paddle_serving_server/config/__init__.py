"""What a server is told: flags, a command line and files become frozen values, once."""
