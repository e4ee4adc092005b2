"""Readers that need more than the one file that is changed: a sequence folder, a delta of a
checkpoint to its bundle; and the small user profile."""

import json
import lzma
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np

from same_bench.fuzz.mutate import mutated_bytes, mutated_json, to_json
from same_bench.fuzz.target import BUNDLE, Target
from same_engines import Bundle
from same_engines.bundle.reader import write_manifest
from same_runtime.camera import CameraRig

_SUPPORT: Final = BUNDLE.parents[1] / "support"
_ODD_NUMBERS: Final = (0.0, -1.0, 1e-300, 1e300, float("nan"), float("inf"), float("-inf"))


def sequence_target() -> Target:
    """A folder of arrays, one file of it changed, and all that is read of it in training."""
    from same_model.config import ModelConfig
    from same_model.data.inspect import inspect_sequences
    from same_model.data.recorded_inputs import read_inputs
    from same_model.data.sequence import open_sequence

    manifest = Bundle.open(BUNDLE).manifest
    config = ModelConfig.from_dict(dict(manifest.config.network))
    good: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="same-fuzz-") as folder:
        sys.path.append(str(_SUPPORT))
        write: Callable[..., Any] = import_module("tiny_sequence").write_sequence
        sys.path.remove(str(_SUPPORT))
        write(Path(folder) / "s", CameraRig.from_dict(manifest.rig), frames=6)
        for path in sorted((Path(folder) / "s").iterdir()):
            good[path.name] = path.read_bytes()
    names = list(good)

    def make(rng: Random) -> bytes:
        name = rng.choice(names)
        content = good[name]
        if name.endswith(".json"):
            is_bytes = rng.random() < 0.2
            content = (
                mutated_bytes(rng, content)
                if is_bytes
                else to_json(mutated_json(rng, json.loads(content)))
            )
        elif rng.random() < 0.4:
            content = _other_array(rng, content)
        else:
            content = mutated_bytes(rng, content)
        return name.encode() + b"\n" + content

    def read(path: Path) -> None:
        name, _, content = path.read_bytes().partition(b"\n")
        folder = path.parent / "sequence"
        if not folder.is_dir():
            folder.mkdir()
            for other, unchanged in good.items():
                (folder / other).write_bytes(unchanged)
        changed = folder / (name.decode() if name.decode("utf-8", "replace") in good else "x")
        changed.write_bytes(content)
        try:
            sequence = open_sequence(folder)
            inspect_sequences([sequence], 4)
            read_inputs(sequence, config)
        finally:
            changed.write_bytes(good.get(changed.name, b""))

    return Target(make, read)


def _other_array(rng: Random, content: bytes) -> bytes:
    """A good ``.npy`` file with odd numbers, or of another shape or type."""
    import io

    array = np.load(io.BytesIO(content))
    pick = rng.random()
    if pick < 0.6 and array.size:
        array = array.copy()
        odd = rng.choice(_ODD_NUMBERS)
        if array.dtype.kind != "f":
            info = np.iinfo(array.dtype)
            odd = rng.choice((0, 1, info.min, info.max, info.max - 1))
        array.reshape(-1)[rng.randrange(array.size)] = odd
        if rng.random() < 0.2:
            array[...] = odd
    elif pick < 0.8:
        array = rng.choice((array[:-1], array[:0], array[..., :-1], array[None], array.reshape(-1)))
    else:
        with np.errstate(all="ignore"):
            array = array.astype(rng.choice(("f8", "f4", "i8", "u1", "f2")))
    changed = io.BytesIO()
    np.save(changed, array)
    return changed.getvalue()


def delta_target() -> Target:
    """What a checkpoint holds beyond its bundle; changed inside of its compression."""
    from same_export.checkpoint_delta import MAGIC, rebuild_checkpoint, write_delta
    from same_model.checkpoint import save_checkpoint
    from same_model.config import ModelConfig
    from same_model.same_network import SameModel

    home = Path(tempfile.mkdtemp(prefix="same-fuzz-"))
    bundle = Bundle.open(shutil.copytree(BUNDLE, home / "tiny.same"))
    model = SameModel(ModelConfig.from_dict(dict(bundle.manifest.config.network)))
    for values in model.state_dict().values():
        values.zero_()  # the same for every seed
    checkpoint = home / "c.safetensors"
    save_checkpoint(checkpoint, model)
    digest = sha256(checkpoint.read_bytes()).hexdigest()
    write_manifest(bundle, replace(bundle.manifest, checkpoint_sha256=digest))
    write_delta(checkpoint, bundle, home / "c.delta")
    good = (home / "c.delta").read_bytes()
    plain = lzma.decompress(good[len(MAGIC) :])
    size = int.from_bytes(plain[:8], "little")
    plan, rest = json.loads(plain[8 : 8 + size]), plain[8 + size :]

    def make(rng: Random) -> bytes:
        pick = rng.random()
        if pick < 0.1:
            return mutated_bytes(rng, good)
        text, more = json.dumps(plan).encode(), rest
        if pick < 0.6:
            text = to_json(mutated_json(rng, plan))
        else:
            more = mutated_bytes(rng, rest[: 1 << 15]) + rest[1 << 15 :]
        return MAGIC + lzma.compress(len(text).to_bytes(8, "little") + text + more, preset=0)

    return Target(make, lambda path: rebuild_checkpoint(bundle, path, path.with_suffix(".out")))


def profile_target() -> Target:
    """What was calibrated of a user."""
    from same_runtime.calibration.profile import UserProfile
    from same_runtime.conventions import JOINT_NAMES, LEG_DEVICES

    good = {
        "format": "same-user-profile",
        "version": 1,
        "user": "somebody",
        "saved": "2026-11-27T00:00:00+00:00",
        "rig": "0123456789abcdef",
        "height_m": 1.75,
        "bone_lengths_m": {name: 0.0 if name == "pelvis" else 0.2 for name in JOINT_NAMES},
        "leg_straps": {"head_height_m": 1.6, **dict.fromkeys(LEG_DEVICES, [0.0, 0.0, 0.0, 1.0])},
        "floor_y_m": 0.0,
    }

    def make(rng: Random) -> bytes:
        if rng.random() < 0.2:
            return mutated_bytes(rng, to_json(good))
        return to_json(mutated_json(rng, good))

    return Target(make, UserProfile.load, ".json")
