"""The contract of a served model, and those who call it: `Client`, model configs, wire formats, conversion."""

__version__ = "1.0.0a1"
