"""Text classifiers of transformers: their files from wherever they are, as a model repository or as one service."""
