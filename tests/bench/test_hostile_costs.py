"""Files made to take as much memory or time as they can: what they cost at most."""

import base64
import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcap.writer import CompressionType
from PIL import Image

from same_bench.fuzz.attack import LONGEST_S
from same_bench.fuzz.cost import cost_of
from same_bench.fuzz.target import BUNDLE
from same_engines import Bundle
from same_engines.bundle.manifest import canonical_sha256

onnx = pytest.importorskip("onnx", reason="needs pip install .[export]")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
SECOND = 1_000_000_000
SHIPPED_MB = 211.0
"""A process that tracks with the shipped bundle."""


def manifest() -> dict[str, Any]:
    return dict(json.loads((BUNDLE / "manifest.json").read_bytes()))


def signed(content: dict[str, Any]) -> bytes:
    content.pop("manifest_sha256", None)
    return json.dumps({**content, "manifest_sha256": canonical_sha256(content)}).encode()


def manifest_of_lists(_: Path) -> bytes:
    return signed({**manifest(), "parity": {"x": [[]] * 1_000_000}})


def manifest_of_digits(_: Path) -> bytes:
    text = signed({**manifest(), "parity": {"x": 7}}).decode()
    return text.replace('"x": 7', '"x": ' + "9" * 4_000_000).encode()


def graph(change: Callable[[Any], None]) -> bytes:
    model = onnx.load(BUNDLE / "visual.onnx")
    change(model)
    return b"\0" + bytes(model.SerializeToString())


def add(model: Any, operator: str, read: list[str], written: str, shape: list[int]) -> None:
    value = helper.make_tensor_value_info(written, onnx.TensorProto.FLOAT, shape)
    model.graph.value_info.append(value)
    model.graph.node.append(helper.make_node(operator, read, [written]))


def constant(model: Any, name: str, values: Any) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))


def large_tensors(_: Path) -> bytes:
    def change(model: Any) -> None:
        constant(model, "axes", [0, 1, 2, 3])
        constant(model, "size", [1, 1, 1024, 180 * 256])
        add(model, "ReduceSum", ["images", "axes"], "sum", [1, 1, 1, 1])
        add(model, "Expand", ["sum", "size"], "large", [1, 1, 1024, 180 * 256])

    return graph(change)


def computed_constants(_: Path) -> bytes:
    def change(model: Any) -> None:
        constant(model, "size", [1 << 20, 2])
        for index in range(20):
            constant(model, f"value{index}", np.full(1, index, np.float32))
            add(model, "Expand", [f"value{index}", "size"], f"filled{index}", [1 << 20, 2])

    return graph(change)


def much_work(_: Path) -> bytes:
    """As many numbers as may be written, by the slowest of the small operators."""

    def change(model: Any) -> None:
        shape = [1, 1, 1024, 4096]
        constant(model, "axes", [0, 1, 2, 3])
        constant(model, "size", shape)
        add(model, "ReduceSum", ["images", "axes"], "sum", [1, 1, 1, 1])
        add(model, "Expand", ["sum", "size"], "t0", shape)
        for index in range(254):
            add(model, "Gelu", [f"t{index}"], f"t{index + 1}", shape)

    return graph(change)


def much_weight(_: Path) -> bytes:
    def change(model: Any) -> None:
        constant(model, "axes", [0, 1, 2, 3])
        constant(model, "size", [1, 19_000])
        constant(model, "flat", [1, 1])
        constant(model, "weights", np.ones((19_000, 1000), np.float32))
        add(model, "ReduceSum", ["images", "axes"], "sum", [1, 1, 1, 1])
        add(model, "Reshape", ["sum", "flat"], "one", [1, 1])
        add(model, "Expand", ["one", "size"], "row", [1, 19_000])
        add(model, "MatMul", ["row", "weights"], "product", [1, 1000])

    return graph(change)


def recording(messages: list[tuple[str, Any]], rig: dict[str, Any]) -> bytes:
    from mcap.writer import Writer

    file = io.BytesIO()
    writer = Writer(file, chunk_size=60 << 20, compression=CompressionType.ZSTD)
    writer.start()
    writer.add_metadata("same.recording", {"format_version": "1", "rig": json.dumps(rig)})
    schema = writer.register_schema("any", "jsonschema", b"{}")
    for index, (topic, content) in enumerate(messages):
        channel = writer.register_channel(topic, "json", schema)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        writer.add_message(channel, SECOND + index, data, SECOND + index)
    writer.finish()
    return file.getvalue()


def message_of_lists(_: Path) -> bytes:
    lists = b'{"pose": [' + b"[]," * 10_000_000 + b"[]]}"
    return recording([("/device/head", lists)], manifest()["rig"])


def long_text(_: Path) -> bytes:
    image = {"data": "A" * (31 << 20)}
    return recording([("/camera/left", image)] * 2, manifest()["rig"])


def large_image(_: Path) -> bytes:
    side, rig = 4096, manifest()["rig"]
    for camera in ("left", "right"):
        rig[camera].update(width=side, height=side)
    rows = np.zeros((side, side), np.uint16)
    file = io.BytesIO()
    Image.fromarray(rows).save(file, "PNG", compress_level=1)
    content = {"data": base64.b64encode(file.getvalue()).decode()}
    return recording([("/camera/left", content), ("/camera/right", content)], rig)


def packed_zeros(_: Path) -> bytes:
    file = io.BytesIO()
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": False, "shape": (100_000_000,)}
    )
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w", force_zip64=True) as member,
    ):
        member.write(head.getvalue())
        for _ in range(100):
            member.write(bytes(8_000_000))
    return file.getvalue()


def delta_of_zeros(_: Path) -> bytes:
    packer = lzma.LZMACompressor(preset=0)
    parts = [packer.compress(bytes(1 << 24)) for _ in range(60)]
    return b"same checkpoint delta 1\n" + b"".join(parts) + packer.flush()


def lines_without_end(_: Path) -> bytes:
    return b"HIERARCHY\n" + b"a\n" * 20_000_000


def one_long_line(_: Path) -> bytes:
    return b"HIERARCHY\n" + b"1 " * 20_000_000


def checkpoint_of_zeros(_: Path) -> bytes:
    """A checkpoint's archive whose tensors are packed, a thousand to one."""
    import torch

    plain = io.BytesIO()
    torch.save({"weights": torch.zeros(200_000_000)}, plain)
    packed = io.BytesIO()
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name), zipfile.ZIP_DEFLATED, 1)
    return b"\0" + packed.getvalue()


def wide_network(_: Path) -> bytes:
    """A configuration of a network that would take gigabytes."""
    config = {**Bundle.open(BUNDLE).manifest.config.network, "feature_dim": 8192}
    head = {"__metadata__": {"format_version": "1", "config": json.dumps(config)}}
    text = json.dumps(head).encode()
    return b"\1" + len(text).to_bytes(8, "little") + text


FILES: dict[str, list[Callable[[Path], bytes]]] = {
    "manifest": [manifest_of_lists, manifest_of_digits],
    "graph": [large_tensors, computed_constants, much_work, much_weight],
    "mcap": [message_of_lists, long_text, large_image],
    "npy": [packed_zeros],
    "delta": [delta_of_zeros],
    "bvh": [lines_without_end, one_long_line],
    "checkpoint": [checkpoint_of_zeros, wide_network],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "make"), [(target, make) for target, makers in FILES.items() for make in makers]
)
def test_no_file_takes_more_than_it_may(
    target: str, make: Callable[[Path], bytes], tmp_path: Path
) -> None:
    file = tmp_path / "hostile"
    file.write_bytes(make(tmp_path))
    cost = cost_of(target, file)
    print(f"{make.__name__}: {file.stat().st_size / 1e6:.1f} MB, {asdict(cost)}")
    assert cost.grown_mb < 2 * SHIPPED_MB + file.stat().st_size / 1e6
    assert cost.was_read or cost.seconds < LONGEST_S


def test_packed_files_are_small() -> None:
    """What the files above are for: little that becomes much."""
    assert len(zlib.compress(packed_zeros(Path()))) < 1 << 20
