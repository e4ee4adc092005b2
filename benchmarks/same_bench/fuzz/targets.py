"""The readers under attack: for each, good files to change and what reads them."""

import io
import json
import pickle
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from same_bench.fuzz.folders import delta_target, profile_target, sequence_target
from same_bench.fuzz.mutate import mutated_bytes, mutated_json, mutated_text, to_json
from same_bench.fuzz.target import BUNDLE, Target
from same_engines import Bundle
from same_engines.bundle.manifest import (
    MANIFEST_NAME,
    MOST_MEMORY_BYTES,
    MOST_NODES,
    STAGES,
    GraphBudget,
    GraphSpec,
    canonical_sha256,
    parse_manifest,
)
from same_engines.bundle.onnx_guard import check_graph
from same_engines.errors import BundleError
from same_engines.onnxruntime.session_options import session_options
from same_runtime.camera import CameraRig
from same_runtime.estimation.signatures import check_signatures
from same_runtime.recording import Recording

_LARGEST_BUDGET: Final = GraphBudget(76 << 20, MOST_NODES, MOST_MEMORY_BYTES)
"""What a hostile manifest can claim."""


def _manifest() -> Target:
    good = json.loads((BUNDLE / MANIFEST_NAME).read_bytes())
    del good["manifest_sha256"]

    def make(rng: Random) -> bytes:
        if rng.random() < 0.2:
            return mutated_bytes(rng, (BUNDLE / MANIFEST_NAME).read_bytes())
        content = mutated_json(rng, good)
        with suppress(ValueError, RecursionError, TypeError):  # what cannot be signed goes unsigned
            content["manifest_sha256"] = canonical_sha256(content)
        return to_json(content)

    def read(path: Path) -> None:
        manifest = parse_manifest(path.read_bytes(), "manifest.json")
        check_signatures(Bundle(path.parent, manifest))
        CameraRig.from_dict(manifest.rig)

    return Target(make, read)


def _graph() -> Target:
    from same_bench.fuzz.graphs import mutated_graph

    specs: list[GraphSpec] = []
    for precision in ("fp32", "fp16"):
        stages = [Bundle.open(BUNDLE).graph(precision, stage) for stage in STAGES]
        specs += [replace(spec, budget=_LARGEST_BUDGET) for spec in stages]
    contents = [(BUNDLE / spec.path).read_bytes() for spec in specs]

    def make(rng: Random) -> bytes:
        at = rng.randrange(len(specs))
        return bytes([at]) + mutated_graph(rng, contents[at])

    def read(path: Path) -> None:
        which, content = path.read_bytes()[0] % len(specs), path.read_bytes()[1:]
        spec = specs[which]
        check_graph(content, spec, "graph.onnx")
        try:
            session = ort.InferenceSession(
                content, session_options(), providers=["CPUExecutionProvider"]
            )
            session.run(None, {tensor.name: tensor.zeros() for tensor in spec.inputs})
        except Exception as error:  # as the engine does it
            raise BundleError(f"ONNX Runtime refuses it: {error}") from None

    return Target(make, read)


def _mcap() -> Target:
    from mcap.writer import CompressionType, Writer

    from same_bench.measuring.made_up_stream import made_up_stream
    from same_runtime.recording import RecordingWriter

    rig = CameraRig.from_dict(Bundle.open(BUNDLE).manifest.rig)
    with tempfile.TemporaryDirectory(prefix="same-fuzz-") as folder:
        path = Path(folder) / "good.mcap"
        with RecordingWriter(path, rig) as writer:
            for frame, imu in made_up_stream(rig, 2):
                assert imu.head is not None and imu.leg_left is not None
                writer.write_pose("head", imu.timestamp_ns, imu.head)
                writer.write_leg("leg_left", imu.timestamp_ns, imu.leg_left)
                writer.write_frame(frame)
                writer.write_truth(frame.timestamp_ns, np.zeros((22, 3)))
        good = path.read_bytes()
        about = {"format_version": "1", "rig": json.dumps(rig.to_dict())}
        messages = [(s.stream, s.timestamp_ns) for s in Recording(path).samples()]
    from mcap.reader import make_reader

    said = [
        (channel.topic, message.log_time, json.loads(message.data))
        for _, channel, message in make_reader(io.BytesIO(good)).iter_messages()
    ]
    assert messages and said

    def make(rng: Random) -> bytes:
        if rng.random() < 0.4:
            return mutated_bytes(rng, good)
        file = io.BytesIO()
        kinds = (CompressionType.NONE, CompressionType.LZ4, CompressionType.ZSTD)
        writer = Writer(file, compression=rng.choice(kinds), use_chunking=rng.random() < 0.7)
        writer.start()
        metadata = dict(about)
        if rng.random() < 0.3:
            changed = mutated_json(rng, json.loads(about["rig"]))
            metadata["rig"] = to_json(changed).decode("utf-8", "replace")
        writer.add_metadata("same.recording", metadata)
        schema = writer.register_schema("any", "jsonschema", b"{}")
        channels: dict[str, int] = {}
        for topic, at, content in said:
            if topic not in channels:
                channels[topic] = writer.register_channel(topic, "json", schema)
            if rng.random() < 0.3:
                content = mutated_json(rng, content)
            if rng.random() < 0.1:
                at = rng.choice((0, 1, at // 10**9, at * 1000, (1 << 64) - 1, at + 10**14))
            writer.add_message(channels[topic], at, to_json(content), rng.choice((0, at, 1)))
        writer.finish()
        return file.getvalue()

    def read(path: Path) -> None:
        for _ in Recording(path).samples():
            pass

    return Target(make, read)


def _annotation() -> Target:
    from same_model.data.emhi.annotations import read_annotation

    rng = np.random.default_rng(0)
    devices = ("head", "left_hand", "right_hand", "left_leg", "right_leg")
    imu: dict[str, Any] = {f"{name}_rot": np.array([1.0, 0, 0, 0]) for name in devices}
    imu |= {f"{name}_pos": rng.normal(size=3) for name in devices[:3]}
    imu |= {f"{name}_acc": rng.normal(size=3) for name in devices}
    smpl = {"R": np.zeros(3), "pose": np.zeros(69), "shape": np.zeros(10), "t": np.zeros(3)}
    record = {
        "extrinsics": {"cam0": np.eye(4), "cam1": np.eye(4)},
        "IMU": imu,
        "smpl": smpl,
        "p2d": rng.uniform(0, 480, (2, 22, 2)),
    }
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": ()}
    )
    pickles = [
        pickle.dumps(np.array(record, dtype=object), protocol=protocol) for protocol in (0, 2, 3, 4)
    ]

    def make(rng: Random) -> bytes:
        content = rng.choice(pickles)
        if rng.random() < 0.1:
            return mutated_bytes(rng, header.getvalue() + content)
        return header.getvalue() + mutated_bytes(rng, content)

    return Target(make, lambda path: read_annotation(path, Counter()), "000001.npy")


def _npy() -> Target:
    from same_model.data.array_files import load_array, load_arrays

    good = []
    for array in (np.zeros((3, 2), np.float32), np.asfortranarray(np.ones((2, 3))), np.zeros(0)):
        file = io.BytesIO()
        np.save(file, array)
        good.append(file.getvalue())
    packed = io.BytesIO()
    np.savez_compressed(packed, a=np.ones((4, 3)), b=np.array(["x", "y"]))

    def make(rng: Random) -> bytes:
        return mutated_bytes(rng, rng.choice((*good, packed.getvalue())))

    def read(path: Path) -> None:
        if path.read_bytes()[:2] == b"PK":
            load_arrays(path, ("a", "b"))
        else:
            load_array(path, in_memory=bool(path.stat().st_size % 2))

    return Target(make, read)


def _checkpoint() -> Target:
    from same_model.checkpoint import load_checkpoint, save_checkpoint
    from same_model.config import ModelConfig
    from same_model.same_network import SameModel

    values = Bundle.open(BUNDLE).manifest.config.network
    model = SameModel(ModelConfig.from_dict(dict(values))).eval()
    good = []
    with tempfile.TemporaryDirectory(prefix="same-fuzz-") as folder:
        for suffix in ("pt", "safetensors"):
            path = Path(folder) / f"good.{suffix}"
            save_checkpoint(path, model)
            good.append(path.read_bytes())

    def make(rng: Random) -> bytes:
        which = rng.randrange(2)
        content = good[which]
        if which and rng.random() < 0.7:  # the header, where everything is decided
            size = int.from_bytes(content[:8], "little")
            head = mutated_json(rng, json.loads(content[8 : 8 + size]))
            text = to_json(head)
            content = len(text).to_bytes(8, "little") + text + content[8 + size :]
        else:
            content = mutated_bytes(rng, content)
        return bytes([which]) + content

    def read(path: Path) -> None:
        which, content = path.read_bytes()[:1], path.read_bytes()[1:]
        named = path.with_suffix(".safetensors" if which == b"\1" else ".pt")
        named.write_bytes(content)
        load_checkpoint(named)

    return Target(make, read)


_BVH: Final = """HIERARCHY
ROOT hip
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
  JOINT knee
  {
    OFFSET 0 -40 1
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 -41 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.00833333
1 2 3 10 20 30 40 50 60
4 5 6 0 0 0 0 0 90
"""
_ASF: Final = """:version 1.10
:units
  length 0.45
  angle deg
:root
  order TX TY TZ RX RY RZ
  axis XYZ
  position 0 0 0
  orientation 0 0 0
:bonedata
  begin
    name femur
    direction 0.6 -0.8 0
    length 5
    axis 0 0 20 XYZ
    dof rx ry rz
  end
:hierarchy
  begin
    root femur
  end
"""
_AMC: Final = ":FULLY-SPECIFIED\n:DEGREES\n1\nroot 1 2 3 10 20 30\nfemur 5 6 7\n"


def _bvh() -> Target:
    from same_model.synth.motion.capture.bvh import read_bvh

    return Target(lambda rng: mutated_text(rng, _BVH), read_bvh, ".bvh")


def _amc() -> Target:
    from same_model.synth.motion.capture.asf_amc import read_amc

    def make(rng: Random) -> bytes:
        texts = [_ASF.encode(), _AMC.encode()]
        at = rng.randrange(2)
        texts[at] = mutated_text(rng, (_ASF, _AMC)[at])
        return b"\n====\n".join(texts)

    def read(path: Path) -> None:
        asf, _, amc = path.read_bytes().partition(b"\n====\n")
        path.with_suffix(".asf").write_bytes(asf)
        path.with_suffix(".amc").write_bytes(amc)
        read_amc(path.with_suffix(".amc"), path.with_suffix(".asf"))

    return Target(make, read)


TARGETS: Final[dict[str, Callable[[], Target]]] = {
    "manifest": _manifest,
    "graph": _graph,
    "mcap": _mcap,
    "annotation": _annotation,
    "npy": _npy,
    "checkpoint": _checkpoint,
    "delta": delta_target,
    "profile": profile_target,
    "sequence": sequence_target,
    "bvh": _bvh,
    "amc": _amc,
}
