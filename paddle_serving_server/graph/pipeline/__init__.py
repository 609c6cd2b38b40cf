"""Pipelines as Paddle Serving has them: ops, their workers, and the way of a request through them."""
