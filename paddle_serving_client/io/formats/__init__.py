"""One module for each kind of trained model; what it offers is `paddle_serving_client.io.source.Format`."""
