"""What tritonserver is told, by its flags and by the configs of its models."""
