"""The 8-bit graphs of a bundle: how they are put in, and kept when the bundle is exported again."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from same_engines.atomic_files import replace_file, told_disk
from same_engines.bundle.manifest import STAGES, GraphSpec
from same_engines.bundle.onnx_guard import graph_needs
from same_engines.bundle.reader import Bundle, write_manifest
from same_engines.errors import BundleError, ExportError

PRECISION: Final = "int8"

_GRAPH_NAME: Final = "visual.int8.onnx"

_log = logging.getLogger("same")


def write_int8(bundle: Bundle, content: bytes, figures: Mapping[str, Any] | None = None) -> None:
    """Put ``content``, an 8-bit ``visual`` graph, into ``bundle``, beside the float32 graphs of the
    other stages. ``figures``: how far its poses are off, for the manifest.

    Raises ``ExportError`` or ``BundleError`` when the bundle cannot be written; the graph goes
    first, then the manifest, which alone makes it count.
    """
    exact = bundle.manifest.graphs["fp32"]
    visual = replace(
        exact["visual"],
        path=_GRAPH_NAME,
        sha256=sha256(content).hexdigest(),
        budget=graph_needs(content, _GRAPH_NAME),
    )
    graphs: dict[str, dict[str, GraphSpec]] = {
        **{name: dict(stages) for name, stages in bundle.manifest.graphs.items()},
        PRECISION: {**exact, "visual": visual},
    }
    parity = dict(bundle.manifest.parity)
    if figures is not None:
        parity[PRECISION] = figures
    with told_disk(ExportError, bundle.path):
        replace_file(bundle.path / _GRAPH_NAME, content)
    write_manifest(bundle, replace(bundle.manifest, graphs=graphs, parity=parity))


def carry_int8(old: Bundle, new: Bundle) -> None:
    """Put the 8-bit graphs of ``old``, if it has any, into ``new``, with their figures. Where the
    float32 graphs are others, or they are damaged, they stay behind, which is said.

    Raises as ``write_int8``.
    """
    if PRECISION not in old.precisions():
        return
    try:
        content = old.graph_bytes(PRECISION, "visual")
        if any(old.graph("fp32", s).sha256 != new.graph("fp32", s).sha256 for s in STAGES):
            raise BundleError("their float32 graphs have changed")
    except BundleError as error:
        _log.warning("int8 graphs left behind: %s; make them again: --target cpu-int8", error)
        return
    write_int8(new, content, old.manifest.parity.get(PRECISION))
