"""What may stand in a chain of models: one module for each op of Paddle Serving, named after it.

`GeneralDetectionOp` is in `general_detection_op.py`. Each offers `make(engine, following, threads)`, which returns an
`Engine` that does what the op does with its model:

    engine: the op's model.
    following: the engine that gets its outputs, or None for the last of a chain.
    threads: for what takes long.
"""
