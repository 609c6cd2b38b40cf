"""What TensorFlow Serving is told: `models.config`, batching parameters and flags, as frozen values."""
