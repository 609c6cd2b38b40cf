"""Where older handlers find what sends a part of an answer."""
