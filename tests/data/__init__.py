"""Recorded bytes and pictures."""
