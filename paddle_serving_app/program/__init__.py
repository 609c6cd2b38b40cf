"""A model's program as all that look into it see it: read here, in one form for Paddle 1, 2, 3 and ONNX."""
