"""Whether a handler can be given several requests at once: many read the first one only, and say nothing of it.

    def preprocess(self, data):
        text = data[0]["body"]        # and nothing else of data: a batch of two would have one answer

Found by reading the code, not by running it. What is not found here is found when a handler gives one result for two
requests.
"""

import ast
from typing import Final

_STEPS: Final = ("handle", "preprocess", "inference", "postprocess")


def reads_first_only(source: bytes, function: str = "") -> bool:
    """Whether a step takes item 0 of what it is given, and never looks at the others.

    Args:
        source: of the handler's file.
        function: the one that is called, where it has a name of its own.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    steps = (*_STEPS, function) if function else _STEPS
    return any(
        isinstance(node, ast.FunctionDef) and node.name in steps and _reads_first_only(node) for node in ast.walk(tree)
    )


def _reads_first_only(step: ast.FunctionDef) -> bool:
    names = [argument.arg for argument in step.args.args if argument.arg not in ("self", "cls")]
    return bool(names) and _takes_first(step, names[0]) and not _takes_all(step, names[0])


def _takes_first(step: ast.FunctionDef, name: str) -> bool:
    return any(
        isinstance(node, ast.Subscript) and _is(node.value, name) and _is_zero(node.slice) for node in ast.walk(step)
    )


def _takes_all(step: ast.FunctionDef, name: str) -> bool:
    """Whether it goes through what it is given, or hands it on."""
    for node in ast.walk(step):
        if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension) and _is(node.iter, name):
            return True
        if isinstance(node, ast.Call) and any(_is(argument, name) for argument in node.args) and not _only_asks(node):
            return True
    return False


def _only_asks(call: ast.Call) -> bool:
    """Whether a function that gets the batch looks at no request in it."""
    return isinstance(call.func, ast.Name) and call.func.id in ("isinstance", "print", "type", "str", "repr", "bool")


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_zero(index: ast.AST) -> bool:
    return isinstance(index, ast.Constant) and index.value == 0
