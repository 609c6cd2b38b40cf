"""The handlers that TorchServe brings, and what users subclass."""
