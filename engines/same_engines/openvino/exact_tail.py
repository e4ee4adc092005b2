"""What stays in single precision when OpenVINO computes the visual stage in bfloat16.

Eight bits of mantissa are enough for the backbone, but not for the feature map, whose values
fusion reads, and for the logits behind it, of which the joints' places are a mean: rounding these
too moves joints four times as far.
"""

import tempfile
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from same_engines.openvino.library import OpenVino

FIRST_EXACT: Final = "features"
"""Output whose last convolution, and everything behind it, is exact."""
EXACT: Final = f"float32 from {FIRST_EXACT} on"
"""Names the rule, for what was compiled by it and is kept."""

_CONVOLUTIONS: Final = ("Convolution", "GroupConvolution")
_KEEP: Final = {"name": "precise", "version": "0"}
"""OpenVINO's mark of a layer whose precision no hint changes; Python can set it in a file only."""


def with_exact_tail(openvino: OpenVino, model: Any) -> Any:
    """A copy of ``model``, a visual stage, that keeps its end in single precision under a hint
    for a lower one."""
    exact = {node.get_friendly_name() for node in _tail(model)}
    with tempfile.TemporaryDirectory(prefix="same-openvino-") as folder:
        graph, weights = Path(folder) / "visual.xml", Path(folder) / "visual.bin"
        openvino.module.serialize(model, str(graph), str(weights))
        # Written by OpenVINO itself just now, so that the plain parser is safe.
        root = ElementTree.fromstring(graph.read_bytes())
        for layer in root.iter("layer"):
            if layer.get("name") in exact:
                _mark(layer)
        return openvino.core.read_model(ElementTree.tostring(root), weights.read_bytes())


def _tail(model: Any) -> list[Any]:
    node = model.output(FIRST_EXACT).get_node()
    while node.get_type_name() not in _CONVOLUTIONS:
        node = node.input_value(0).get_node()
    found = [node]
    for node in found:
        for output in node.outputs():
            users = [port.get_node() for port in output.get_target_inputs()]
            found += [user for user in users if user not in found]
    return found


def _mark(layer: ElementTree.Element) -> None:
    info = layer.find("rt_info")
    if info is None:
        info = ElementTree.Element("rt_info")
        layer.insert(0 if layer.find("data") is None else 1, info)
    ElementTree.SubElement(info, "attribute", _KEEP)
