"""What TorchServe is told: `config.properties`, `TS_*` variables and flags, as frozen values."""
