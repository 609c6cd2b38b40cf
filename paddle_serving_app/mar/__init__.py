"""Archives of TorchServe: models (`.mar`) and workflows (`.war`), read and written."""
