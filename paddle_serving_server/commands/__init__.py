"""What `python -m paddle_serving_server.NAME` does."""
