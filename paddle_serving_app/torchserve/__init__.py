"""What handlers written for TorchServe find: their context, and the import names of its package."""
