"""Shows the descriptions of a dataclass's fields in ``help()`` too, not only in editors."""

import ast
import inspect
import textwrap
from typing import TypeVar

_Class = TypeVar("_Class")


def with_field_docs(cls: type[_Class]) -> type[_Class]:
    """Append a line for each field to the class's docstring, as its source describes them."""
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    except (OSError, SyntaxError, ValueError):  # an application without sources
        return cls
    assert isinstance(tree, ast.ClassDef)
    rows = []
    for field, said in zip(tree.body, tree.body[1:], strict=False):
        if not (isinstance(field, ast.AnnAssign) and isinstance(said, ast.Expr)):
            continue
        if isinstance(said.value, ast.Constant) and isinstance(said.value.value, str):
            text = " ".join(said.value.value.split())
            rows.append(f"    {ast.unparse(field.target)}: {text}")
    cls.__doc__ = f"{inspect.cleandoc(cls.__doc__ or '')}\n\nAttributes:\n" + "\n".join(rows)
    return cls
