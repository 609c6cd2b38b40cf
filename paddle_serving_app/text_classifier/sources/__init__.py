"""Where the files of a model lie: one module for each prefix, `local:`, `hf:`, `clearml:`; see `source.Source`."""
