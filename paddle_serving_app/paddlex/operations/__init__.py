"""One module for each kind of operation: what `paddle_serving_app.paddlex.operation.Operation` says."""
