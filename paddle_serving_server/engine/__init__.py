"""One loaded model in a process of its own: messages, shared memory, batching, and the front's end of the line."""
