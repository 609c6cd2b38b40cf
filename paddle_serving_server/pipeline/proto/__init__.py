"""The import path of the messages in Paddle Serving; they are made in `paddle_serving_client.wire.proto`."""
