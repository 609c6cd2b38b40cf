"""A name, and something behind `infer`."""
