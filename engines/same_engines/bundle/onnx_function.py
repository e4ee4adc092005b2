"""The one function that a bundle's graph may carry: the project's operator, recognised by what it
computes and not by the names that a version of the exporter gives to what lies between."""

import hashlib
import json
from typing import Any, Final

from same_engines.bundle.onnx_operators import OPERATOR_DOMAIN, OPERATOR_NAME, VALUE_FIELDS
from same_engines.bundle.onnx_wire import Fields

_MOST_NODES: Final = 256
_FINGERPRINTS: Final = frozenset(
    {
        "a8622b96046a9a616abfca3d6e8260e868175f60361d905cea0fce5583fc0aeb",
        "fb6357043933b31d46a8cee3323a8e52a45bd3e1adee01825a325269cc3db39c",
    }
)
"""Of every form of the operator that an exporter has written."""


def check_function(function: Fields) -> None:
    """Raise ``ValueError`` unless a decoded FunctionProto is the project's operator."""
    if (function.get("domain"), function.get("name")) != (OPERATOR_DOMAIN, OPERATOR_NAME):
        raise ValueError(f"the function {function.get('name')!r} is not a bundle's")
    if len(function.get("node", ())) > _MOST_NODES or "overload" in function:
        raise ValueError(f"the function {OPERATOR_NAME} is not the one that same-export writes")
    if fingerprint(function) not in _FINGERPRINTS:
        raise ValueError(
            f"the function {OPERATOR_NAME} does not compute what this version's does; export the "
            "bundle again or use the SDK version that wrote it"
        )


def fingerprint(function: Fields) -> str:
    """SHA-256 of what a decoded FunctionProto computes, whatever its tensors are called."""
    numbers: dict[str, int] = {"": -1}
    for name in function.get("input", ()):
        numbers.setdefault(name, len(numbers))
    nodes = []
    for node in function.get("node", ()):
        read = [numbers.get(name, -2) for name in node.get("input", ())]
        for name in node.get("output", ()):
            numbers[name] = len(numbers)
        written = [numbers[name] for name in node.get("output", ())]
        attributes = sorted(map(_attribute, node.get("attribute", ())), key=str)
        nodes.append([node.get("domain", ""), node.get("op_type"), read, written, attributes])
    opsets = [
        [opset.get("domain", ""), opset.get("version")]
        for opset in function.get("opset_import", ())
    ]
    outputs = [numbers.get(name, -2) for name in function.get("output", ())]
    whole = [function.get("attribute"), len(function.get("input", ())), outputs, opsets, nodes]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()


def _attribute(attribute: Fields) -> list[Any]:
    kind = attribute.get("type", 0)
    value = attribute.get(VALUE_FIELDS.get(kind, ""), attribute.get("ref_attr_name"))
    if isinstance(value, dict):  # a tensor, with or without a name
        if "external_data" in value:
            raise ValueError("a tensor in a function keeps its data in another file")
        value = {
            name: content.hex() if isinstance(content, memoryview) else content
            for name, content in sorted(value.items())
            if name not in ("name", "doc_string")
        }
    return [attribute.get("name"), kind, value]
