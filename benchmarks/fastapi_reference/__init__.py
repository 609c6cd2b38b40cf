"""A FastAPI server with ONNX Runtime inside, as a typical engineer writes it: what we are measured against."""
