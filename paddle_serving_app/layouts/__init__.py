"""One module for each kind of thing on disk that holds a model: what `paddle_serving_app.layout.Layout` says."""
