"""What happens to data inside one process: image and text operations, inference backends, LocalPredictor."""
