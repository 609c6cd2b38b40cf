"""Settings of TensorFlow Serving."""
