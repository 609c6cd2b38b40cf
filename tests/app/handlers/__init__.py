"""Kinds of user code."""
