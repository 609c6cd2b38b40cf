"""Archives of TorchServe."""
