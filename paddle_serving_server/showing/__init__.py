"""What is counted, as people, Prometheus and Perfetto read it."""
