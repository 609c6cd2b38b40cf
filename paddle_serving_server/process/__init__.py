"""What every process of a server does with its memory, log, children and records."""
