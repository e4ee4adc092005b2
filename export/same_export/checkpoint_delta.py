"""A checkpoint as its bundle and what that lacks: a few per cent of the weights' size.

A bundle holds most of a checkpoint's tensors bit by bit. Where a batch normalisation was folded
into a convolution, each of its output channels is a multiple of the checkpoint's, but for the last
bit. The delta holds those multiples and bits, the batch normalisations themselves, and the head of
the checkpoint's file; so the file comes back bit by bit, which its hash proves.
"""

import hashlib
import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from same_engines.atomic_files import remove_partials_of, replace_file, told_disk
from same_engines.bundle.manifest import STAGES
from same_engines.bundle.reader import Bundle
from same_engines.errors import CheckpointError, ExportError
from same_engines.files.regular_files import read_regular

MAGIC: Final = b"same checkpoint delta 1\n"
_DTYPES: Final[dict[str, np.dtype[Any]]] = {"F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
_MOST_CHECKPOINT_BYTES: Final = 4 << 30
_MOST_BYTES: Final = 96 << 20
_MOST_JSON_BYTES = 1 << 20
_LENGTH: Final = 8  # bytes of the length that a .safetensors file begins with

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class _Tensor:
    name: str
    values: Array


def write_delta(checkpoint: Path, bundle: Bundle, out: Path) -> None:
    """Write to ``out`` what ``bundle`` lacks of ``checkpoint``, a .safetensors file.

    Raises ``CheckpointError`` for a file of another kind, and ``ExportError`` when it is not the
    checkpoint of the bundle or ``out`` cannot be written.
    """
    try:
        content = read_regular(checkpoint, _MOST_CHECKPOINT_BYTES)
    except OSError as error:
        raise CheckpointError(f"{checkpoint}: cannot be read ({error.strerror})") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != bundle.manifest.checkpoint_sha256:
        raise ExportError(f"{checkpoint}: is not the checkpoint of {bundle.path}")
    head, tensors = _read_safetensors(checkpoint, content)
    initialisers = _initialisers(bundle)
    by_content = {(v.shape, v.tobytes()): name for name, v in initialisers.items()}
    sources, blob = [], [head]
    for tensor in tensors:
        source, lacking = _encode(tensor, initialisers, by_content)
        sources.append(source)
        blob.append(lacking)
    plan = json.dumps({"sha256": digest, "head": len(head), "sources": sources}).encode()
    packed = lzma.compress(len(plan).to_bytes(_LENGTH, "little") + plan + b"".join(blob))
    remove_partials_of(out)
    with told_disk(ExportError, out):
        replace_file(out, MAGIC + packed)


def rebuild_checkpoint(bundle: Bundle, delta: Path, out: Path) -> None:
    """Write to ``out`` the checkpoint that ``delta`` was made of, bit by bit.

    Raises ``ExportError`` when the delta cannot be read, is damaged or of another bundle, or
    ``out`` cannot be written.
    """
    try:
        content = read_regular(delta, _MOST_BYTES)
    except OSError as error:
        raise ExportError(f"{delta}: cannot be read ({error.strerror})") from None
    if not content.startswith(MAGIC):
        raise ExportError(f"{delta}: not what same-export --delta writes")
    initialisers = _initialisers(bundle)
    try:
        rebuilt, expected = _rebuild(content[len(MAGIC) :], initialisers)
    # What a damaged file makes the parsers raise all means one thing.
    except Exception as error:
        raise ExportError(f"{delta}: damaged, or not of {bundle.path} ({error!r:.200})") from None
    if not hashlib.sha256(rebuilt).hexdigest() == expected == bundle.manifest.checkpoint_sha256:
        raise ExportError(f"{delta}: damaged, or not of {bundle.path}")
    remove_partials_of(out)
    with told_disk(ExportError, out):
        replace_file(out, rebuilt)


def _rebuild(packed: bytes, initialisers: dict[str, Array]) -> tuple[bytes, str]:
    """The checkpoint's file and the hash that it must have."""
    unpacker = lzma.LZMADecompressor(memlimit=_MOST_BYTES)
    unpacked = unpacker.decompress(packed, _MOST_BYTES)
    if not unpacker.eof:
        raise ValueError(f"truncated, or more than {_MOST_BYTES} bytes")
    start = _LENGTH + int.from_bytes(unpacked[:_LENGTH], "little")
    # A few bytes unpack to many of JSON, which take long to parse and much memory.
    if start > _MOST_JSON_BYTES:
        raise ValueError(f"a plan of more than {_MOST_JSON_BYTES} bytes")
    plan = json.loads(unpacked[_LENGTH:start])
    end = start + plan["head"]
    if not start <= end <= start + _MOST_JSON_BYTES:
        raise ValueError(f"a head of more than {_MOST_JSON_BYTES} bytes")
    head, place = unpacked[start:end], end
    parts = [head]
    # Weights may be named twice, but a checkpoint holds no more than its bundle and its delta.
    left = len(unpacked) + sum(values.nbytes for values in initialisers.values())
    for (_, shape, dtype), source in zip(_entries(head), plan["sources"], strict=True):
        size = _lacking_bytes(source["how"], shape, dtype)
        lacking, place = unpacked[place : place + size], place + size
        parts.append(_decode(source, lacking, shape, dtype, initialisers))
        left -= len(parts[-1])
        if left < 0:
            raise ValueError("more weights than there are")
    return b"".join(parts), str(plan["sha256"])


def _entries(head: bytes) -> Iterator[tuple[str, tuple[int, ...], "np.dtype[Any]"]]:
    """Name, shape and type of every tensor, in the order of the file."""
    listed = json.loads(head[_LENGTH:])
    listed.pop("__metadata__", None)
    for name, entry in sorted(listed.items(), key=lambda item: item[1]["data_offsets"][0]):
        yield name, tuple(entry["shape"]), _DTYPES[entry["dtype"]]


def _read_safetensors(path: Path, content: bytes) -> tuple[bytes, list[_Tensor]]:
    end = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    tensors, place = [], end
    try:
        for name, shape, dtype in _entries(content[:end]):
            count = int(np.prod(shape, dtype=np.int64))
            values = np.frombuffer(content, dtype, count, place).reshape(shape)
            tensors.append(_Tensor(name, values))
            place += values.nbytes
    except (ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: not a .safetensors checkpoint ({error!r})") from None
    return content[:end], tensors


def _initialisers(bundle: Bundle) -> dict[str, Array]:
    """ "STAGE.NAME" -> values, of every float32 graph."""
    if "fp32" not in bundle.precisions():
        raise ExportError(f"{bundle.path}: has no fp32 graphs, which hold the weights")
    found = {}
    for stage in STAGES:
        graph = onnx.load_from_string(bundle.graph_bytes("fp32", stage)).graph
        for tensor in graph.initializer:
            name = f"{stage}.{tensor.name.removeprefix('stage.')}"
            found[name] = onnx.numpy_helper.to_array(tensor)
    return found


def _encode(
    tensor: _Tensor, initialisers: dict[str, Array], by_content: dict[tuple[Any, bytes], str]
) -> tuple[dict[str, str], bytes]:
    """Where ``tensor`` comes from, and what that lacks."""
    values = tensor.values
    name = by_content.get((values.shape, values.tobytes()))
    if name is not None and initialisers[name].dtype == values.dtype:
        return {"how": "same", "of": name}, b""
    if values.ndim == 2:
        turned = np.ascontiguousarray(values.T)
        name = by_content.get((turned.shape, turned.tobytes()))
        if name is not None and initialisers[name].dtype == values.dtype:
            return {"how": "transposed", "of": name}, b""
    base = initialisers.get(tensor.name)
    if values.ndim > 1 and base is not None and base.shape == values.shape:
        scales, last_bits = _scaled_residual(values, base)
        if last_bits is not None:
            return {"how": "scaled", "of": tensor.name}, scales.tobytes() + last_bits.tobytes()
    return {"how": "raw"}, values.tobytes()


def _scaled_residual(
    values: Array, base: Array
) -> tuple[NDArray[np.float64], NDArray[np.int8] | None]:
    """The multiple of each output channel of ``base`` that comes nearest to ``values``, and the
    difference of what is stored, in units of its last bit; None where that is large."""
    rows, of = values.reshape(len(values), -1), base.reshape(len(base), -1).astype(np.float64)
    power = (of * of).sum(axis=1)
    scales = (rows * of).sum(axis=1) / np.where(power > 0, power, 1.0)
    steps = rows.view("<i4").astype(np.int64) - _multiples(base, scales).view("<i4")
    if np.abs(steps).max() > 127:
        return scales, None
    return scales, steps.astype(np.int8)


def _multiples(base: Array, scales: NDArray[np.float64]) -> NDArray[np.float32]:
    # One product and one rounding each: the same bits on every machine.
    return np.asarray((base.reshape(len(base), -1) * scales[:, None]).astype("<f4"))


def _lacking_bytes(how: str, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> int:
    count = int(np.prod(shape, dtype=np.int64))
    return {"raw": count * dtype.itemsize, "scaled": 8 * shape[0] + count if shape else 0}.get(
        how, 0
    )


def _decode(
    source: dict[str, str],
    lacking: bytes,
    shape: tuple[int, ...],
    dtype: "np.dtype[Any]",
    initialisers: dict[str, Array],
) -> bytes:
    """The bytes of one tensor."""
    if source["how"] == "raw":
        return lacking
    base = initialisers[source["of"]]
    if source["how"] == "transposed":
        base = base.T
    if base.shape != shape or base.dtype != dtype:
        raise ValueError(f"{source['of']} is {base.dtype} {base.shape}")
    if source["how"] != "scaled":
        return np.ascontiguousarray(base).tobytes()
    scales = np.frombuffer(lacking, "<f8", shape[0])
    steps = np.frombuffer(lacking, np.int8, offset=scales.nbytes).reshape(shape[0], -1)
    return (_multiples(base, scales).view("<i4") + steps).astype("<i4").tobytes()
