"""Services of several steps: chains of models, pipelines."""
