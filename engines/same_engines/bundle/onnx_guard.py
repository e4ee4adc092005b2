"""Refuse a graph that is not what the exporter writes, before a native parser sees it.

The hash in front of a graph finds damage, but whoever changes a graph can write the new hash.
The libraries that run graphs are large and trust what they read: a stride of 0, a shape of 2^40 or
a function that calls itself ends the process. So a graph is read here first, by plain Python: its
spelling (``onnx_wire``), its operators (``onnx_operators``), its constants and shapes
(``onnx_tensors``), its one function (``onnx_function``), and here how they hang together and what
they cost. ONNX Runtime is told to refuse a graph whose shapes are not those declared.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from same_engines.bundle.manifest import MOST_NODES, GraphBudget, GraphSpec
from same_engines.bundle.onnx_fit import check_fit
from same_engines.bundle.onnx_function import check_function
from same_engines.bundle.onnx_operators import (
    ALLOWED,
    CONSTANT_INPUTS,
    FLOAT,
    FLOAT16,
    OPERATOR_DOMAIN,
    OPERATOR_NAME,
    OPERATOR_RULES,
    AttributeRule,
    value_of,
)
from same_engines.bundle.onnx_tensors import TensorType, constant_type, declared_types
from same_engines.bundle.onnx_wire import Fields, read_model
from same_engines.errors import BundleError, InvalidInputError

MOST_TENSORS: Final = 16384
MOST_TENSORS_OF_A_NODE: Final = 64
MOST_PRODUCTS: Final = 1 << 36
"""Products of numbers that one run may cost: more than the largest preset's."""
MOST_WRITTEN: Final = 1 << 30
"""Numbers that the nodes of one run may write: more than the largest preset's."""

_IR_VERSIONS: Final = range(7, 12)
_OPSETS: Final = {"": range(17, 24), OPERATOR_DOMAIN: range(1, 2)}
_TYPES: Final = {"float32": FLOAT, "float16": FLOAT16}


def check_graph(content: bytes, spec: GraphSpec, where: str) -> None:
    """Raise ``BundleError`` unless ``content`` (a serialised ONNX ModelProto) is a graph that an
    exporter of this project can have written, with the signature and within the budget of
    ``spec``. ``where`` names it."""
    graph = _graph_of(content, where)
    _check_signature(graph, spec, where)
    needs = _needs(graph, where)
    for name in ("file_bytes", "nodes", "memory_bytes"):
        came, most = getattr(needs, name), getattr(spec.budget, name)
        if came > most:
            raise BundleError(
                f"{where}: takes {came} {name.replace('_', ' ')}, its manifest allows {most}; "
                "export the bundle again"
            )


def graph_needs(content: bytes, where: str) -> GraphBudget:
    """What a graph takes, for its manifest. Raises ``BundleError`` as ``check_graph`` does."""
    return _needs(_graph_of(content, where), where)


def _needs(graph: "_Graph", where: str) -> GraphBudget:
    try:
        return graph.needs()
    except InvalidInputError as error:
        raise BundleError(f"{where}: takes more than a graph may ({error})") from None


def _graph_of(content: bytes, where: str) -> "_Graph":
    try:
        model = read_model(content)
        _check_versions(model)
        if len(model.get("functions", ())) > 1:
            raise ValueError("it has several functions")
        for function in model.get("functions", ()):
            check_function(function)
        if "graph" not in model:
            raise ValueError("it has no graph")
        return _Graph(model["graph"], len(content), "functions" in model)
    except ValueError as error:
        raise BundleError(
            f"{where}: not a graph that same-export writes ({error}); export the bundle again"
        ) from None


def _check_versions(model: Fields) -> None:
    if model.get("ir_version") not in _IR_VERSIONS:
        raise ValueError(f"its IR version is {model.get('ir_version')}")
    opsets = [
        (item.get("domain", ""), item.get("version")) for item in model.get("opset_import", ())
    ]
    if len(dict(opsets)) != len(opsets) or "" not in dict(opsets):
        raise ValueError("its operator sets are not named once each")
    for domain, version in opsets:
        if version not in _OPSETS.get(domain, ()):
            raise ValueError(f"it uses version {version} of the operators of {domain or 'ONNX'!r}")


def _check_signature(graph: "_Graph", spec: GraphSpec, where: str) -> None:
    for kind, actual, expected in (
        ("inputs", graph.inputs, spec.inputs),
        ("outputs", graph.outputs, spec.outputs),
    ):
        want = {
            (tensor.name, TensorType(_TYPES[tensor.dtype], tensor.shape)) for tensor in expected
        }
        came = set(actual.items())
        if came != want or len(actual) != len(expected):
            raise BundleError(
                f"{where}: its {kind} are not the manifest's; only in the graph: "
                f"{sorted(came - want, key=str)}, only in the manifest: "
                f"{sorted(want - came, key=str)}"
            )


class _Graph:
    """A decoded GraphProto. Raises ``ValueError`` where it is none of this project's."""

    def __init__(self, graph: Fields, file_bytes: int, has_function: bool) -> None:
        self._nodes: list[Fields] = graph.get("node", [])
        constants = graph.get("initializer", [])
        declared = graph.get("value_info", [])
        ends = [*graph.get("input", []), *graph.get("output", [])]
        tensors = len(constants) + len(declared) + len(ends)
        if len(self._nodes) > MOST_NODES or tensors > MOST_TENSORS:
            raise ValueError(f"it has more than {MOST_NODES} nodes or {MOST_TENSORS} tensors")
        self.inputs = declared_types(graph.get("input", []))
        self.outputs = declared_types(graph.get("output", []))
        self._constants: dict[str, TensorType] = {}
        for tensor in constants:
            name = tensor.get("name", "")
            if not name or name in self._constants or name in self.inputs:
                raise ValueError(f"constant {name!r} has the name of another tensor")
            self._constants[name] = constant_type(tensor)
        self._types = {**declared_types(declared), **self.outputs}
        for name, found in (*self.inputs.items(), *self._constants.items()):
            if self._types.setdefault(name, found) != found:
                raise ValueError(f"tensor {name!r} has two types")
        self._check_nodes(has_function)
        self._file_bytes = file_bytes

    def needs(self) -> GraphBudget:
        """What it takes. Raises ``InvalidInputError`` for more than any graph may."""
        return GraphBudget(self._file_bytes, max(1, len(self._nodes)), self._memory_bytes())

    def _check_nodes(self, has_function: bool) -> None:
        """The nodes in their order: what each reads is there, what it writes is new and declared,
        and a run costs no more than it may."""
        made = {*self.inputs, *self._constants}
        products = written_numbers = 0
        for node in self._nodes:
            read, written = node.get("input", []), node.get("output", [])
            if (
                len(read) > MOST_TENSORS_OF_A_NODE
                or not 1 <= len(written) <= MOST_TENSORS_OF_A_NODE
            ):
                raise ValueError(f"a node {node.get('op_type')} of {len(read)} inputs")
            for name in read:
                if name and name not in made:
                    raise ValueError(f"tensor {name!r} is read before it is written")
            for name in written:
                if name in made or name not in self._types:
                    raise ValueError(f"tensor {name!r} is written twice or has no declared shape")
                made.add(name)
            self._check_node(node, read, written, has_function)
            products += self._products(node, read, written)
            written_numbers += sum(self._types[name].elements for name in written)
        missing = self.outputs.keys() - made
        if missing:
            raise ValueError(f"outputs {sorted(missing)} are never written")
        if products > MOST_PRODUCTS or written_numbers > MOST_WRITTEN:
            raise ValueError(
                f"a run costs more than {MOST_PRODUCTS} products or {MOST_WRITTEN} numbers"
            )

    def _check_node(
        self, node: Fields, read: Sequence[str], written: Sequence[str], has_function: bool
    ) -> None:
        operator, domain = node.get("op_type", ""), node.get("domain", "")
        if (domain, operator) == (OPERATOR_DOMAIN, OPERATOR_NAME) and has_function:
            rules: Mapping[str, AttributeRule] = OPERATOR_RULES
            self._check_own_operator(read, written)
        elif domain == "" and operator in ALLOWED:
            rules = ALLOWED[operator]
        else:
            raise ValueError(f"operator {domain}::{operator} is not allowed")
        names = [attribute.get("name", "") for attribute in node.get("attribute", ())]
        if len(set(names)) != len(names) or not rules.keys() >= set(names):
            raise ValueError(f"operator {operator} with attributes {names}")
        values = {
            attribute["name"]: value_of(attribute, rules[attribute["name"]])
            for attribute in node.get("attribute", ())
        }
        if domain == "":
            shapes = [self._types[name].shape if name else None for name in read]
            check_fit(operator, values, shapes, [self._types[name].shape for name in written])
        for index in CONSTANT_INPUTS.get(operator, ()):
            if index < len(read) and read[index] and read[index] not in self._constants:
                raise ValueError(f"the shape of {operator} is computed and not a constant")

    def _check_own_operator(self, read: Sequence[str], written: Sequence[str]) -> None:
        shapes = [self._types[name].shape for name in (*read, *written) if name]
        try:
            features, _, _, locations, _, _, w1, _, _, _ = shapes
            (views, dim, height, width), (_, joints, heads, points, _) = features, locations
            hidden, blocks = w1
        except ValueError:
            raise ValueError(f"{OPERATOR_NAME} of shapes {shapes}") from None
        per_joint = (views, joints, heads)
        if shapes != [
            features,
            (views, 3, height, width),
            (views, 3),
            (*per_joint, points, 2),
            (*per_joint, points),
            (views, joints),
            (hidden, blocks),
            (hidden,),
            (*per_joint, dim),
            (*per_joint, hidden),
        ]:
            raise ValueError(f"{OPERATOR_NAME} of shapes {shapes}")

    def _products(self, node: Fields, read: Sequence[str], written: Sequence[str]) -> int:
        """About how many products ``node`` costs."""
        operator = node.get("op_type")
        elements = sum(self._types[name].elements for name in written)
        shapes = [self._types[name].shape for name in read if name]
        if operator == "Conv" and len(shapes) > 1:
            return elements * math.prod(shapes[1][1:])
        if operator in ("MatMul", "Gemm", OPERATOR_NAME):
            return elements * max((size for shape in shapes for size in shape), default=1)
        attributes = {a["name"]: a for a in node.get("attribute", ())}
        return elements * math.prod(attributes.get("kernel_shape", {}).get("ints", ()))

    def _memory_bytes(self) -> int:
        """The most that its tensors but the weights take at once. What follows from the weights
        alone is computed when a library opens the graph, and stays."""
        last_read = {
            name: index for index, node in enumerate(self._nodes) for name in node.get("input", ())
        }
        kept = {*self._constants, *self.inputs, *self.outputs}
        fixed = set(self._constants)
        live = most = sum(found.bytes for found in self.inputs.values())
        for index, node in enumerate(self._nodes):
            read, written = node.get("input", ()), node["output"]
            if fixed.issuperset(filter(None, read)):
                fixed.update(written)
                kept.update(written)
            live += sum(self._types[name].bytes for name in written)
            most = max(most, live)
            for name in {*read, *written}:
                if name and name not in kept and last_read.get(name, index) <= index:
                    live -= self._types[name].bytes
        return most
