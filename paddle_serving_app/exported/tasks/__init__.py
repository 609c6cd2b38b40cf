"""One module for each task of an exported model: what `paddle_serving_app.exported.task.Kind` says."""
