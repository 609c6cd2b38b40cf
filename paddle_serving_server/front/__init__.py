"""The processes that accept connections and run the services."""
