"""Example scripts of Paddle Serving 0.9, run as they are; README.md says how."""
