"""Image, detection and OCR operations: arrays in, arrays out; nothing here knows a server."""
