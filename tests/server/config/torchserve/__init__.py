"""Settings of TorchServe."""
