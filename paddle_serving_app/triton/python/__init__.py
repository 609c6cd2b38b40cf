"""What runs a model.py: its module, its requests and answers, and what it asks of other models."""
