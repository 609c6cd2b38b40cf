"""Every operator that can be had through Paddle's own interface, in tiny programs, by every library: who is wrong?

    python -m tests.compare.operators                     # all; half an hour to an hour on two cores
    python -m tests.compare.operators --only leaky_relu pow --types float32 int64
    python -m tests.compare.operators --write             # and put the findings where the choice reads them

`programs` and `onnx_models` are tables of cases; `feeds` makes the values that show differences; `workers` runs each
case in processes that may crash; `verdicts` compares; `findings` says which operator it was, and writes.
"""
