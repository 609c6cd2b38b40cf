"""Text classifiers: tokens, labels, and the Triton repository that a model, its tokenizer and its labels make."""
