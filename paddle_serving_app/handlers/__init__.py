"""One kind of user code each; see `handler.Kind`."""
