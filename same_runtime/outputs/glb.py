"""GLB files (glTF 2.0 in one binary): an animated skeleton that every engine imports.

Specification: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html.
"""

import json
import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS, NUM_JOINTS
from same_runtime.outputs.motion_file import ENDS_M, Motion, MotionFile

_FLOAT, _UINT16, _UINT8 = 5126, 5123, 5121
_COMPONENTS: Final = {np.dtype("f4"): _FLOAT, np.dtype("u2"): _UINT16, np.dtype("u1"): _UINT8}
_KINDS: Final = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_FIRST_JOINT_NODE = 1
_SEGMENT_FACES: Final = np.array(
    [(0, 1, 2), (0, 2, 3), (0, 3, 4), (0, 4, 1), (5, 2, 1), (5, 3, 2), (5, 4, 3), (5, 1, 4)]
)
_WAIST, _THICKNESS = 0.2, 0.09
"""Of each bone's body: where along it it is thickest, and how thick, over its length."""


class GlbFile(MotionFile):
    """Writes every pose that has a body into a GLB file, when it is closed.

    A skin of 22 joints, named as in ``JOINT_NAMES``, with a simple body so that every viewer shows
    it, and one animation at the poses' own times, from 0; after over 10 s without a pose it goes
    on at once. Metres, y up; the T-pose faces +z, as glTF asks. Raises ``RecordingError`` where
    the file cannot be written. Without any pose no file is written.
    """

    def _content(self, motion: Motion) -> bytes:
        return glb_of(motion)


def glb_of(motion: Motion) -> bytes:
    """``motion`` as a GLB file; see ``GlbFile``."""
    buffer = _Buffer()
    rest = _rest_joints(motion.offsets_m)
    seconds = 1e-9 * (motion.times_ns - motion.times_ns[0])
    document = {
        "asset": {"version": "2.0", "generator": "same-runtime"},
        "scene": 0,
        "scenes": [{"nodes": [0, _FIRST_JOINT_NODE]}],
        "nodes": [
            {"name": "body", "mesh": 0, "skin": 0},
            *_joint_nodes(motion.offsets_m, rest),
        ],
        "meshes": [{"name": "body", "primitives": [_body(buffer, rest)]}],
        "materials": [
            {
                "name": "body",
                "doubleSided": True,
                "pbrMetallicRoughness": {
                    "baseColorFactor": [0.55, 0.65, 0.8, 1.0],
                    "metallicFactor": 0.0,
                    "roughnessFactor": 0.8,
                },
            }
        ],
        "skins": [_skin(buffer, rest)],
        "animations": [_animation(buffer, seconds, motion)],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    return _container(document, bytes(buffer.data))


class _Buffer:
    """The binary part and the descriptions of its arrays."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, array: NDArray[Any], target: int | None = None, bounds: bool = False) -> int:
        """Append ``array``, (n,) or (n, components); its accessor's index."""
        array = np.ascontiguousarray(array)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": array.nbytes}
        if target is not None:
            view["target"] = target
        self.views.append(view)
        self.data += array.tobytes()
        self.data += bytes(-len(self.data) % 4)
        rows = array.reshape(len(array), -1)
        accessor = {
            "bufferView": len(self.views) - 1,
            "componentType": _COMPONENTS[array.dtype],
            "count": len(rows),
            "type": _KINDS[rows.shape[1]],
        }
        if bounds:
            accessor["min"] = rows.min(axis=0).tolist()
            accessor["max"] = rows.max(axis=0).tolist()
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def _rest_joints(offsets_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """(22, 3) of the T-pose, its lowest joint on the floor."""
    joints = np.zeros((NUM_JOINTS, 3))
    for joint, parent in enumerate(JOINT_PARENTS):
        if parent >= 0:
            joints[joint] = joints[parent] + offsets_m[joint]
    joints[:, 1] -= joints[:, 1].min()
    return joints


def _joint_nodes(offsets_m: NDArray[np.float64], rest: NDArray[np.float64]) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = []
    for joint, name in enumerate(JOINT_NAMES):
        place = rest[0] if joint == 0 else offsets_m[joint]
        node: dict[str, Any] = {"name": name, "translation": place.tolist()}
        children = [c + _FIRST_JOINT_NODE for c, p in enumerate(JOINT_PARENTS) if p == joint]
        if children:
            node["children"] = children
        nodes.append(node)
    return nodes


def _skin(buffer: _Buffer, rest: NDArray[np.float64]) -> dict[str, Any]:
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (NUM_JOINTS, 1, 1))
    inverse_bind[:, 3, :3] = -rest  # columns come first in glTF
    return {
        "name": "skeleton",
        "skeleton": _FIRST_JOINT_NODE,
        "joints": [joint + _FIRST_JOINT_NODE for joint in range(NUM_JOINTS)],
        "inverseBindMatrices": buffer.add(inverse_bind.reshape(-1, 16)),
    }


def _body(buffer: _Buffer, rest: NDArray[np.float64]) -> dict[str, Any]:
    """A spindle for each bone, moved by the joint where it begins."""
    places: list[NDArray[np.float64]] = []
    faces, joints = [], []
    segments = [(p, rest[p], rest[j]) for j, p in enumerate(JOINT_PARENTS) if p >= 0]
    for name, end in ENDS_M.items():
        joint = JOINT_NAMES.index(name)
        segments.append((joint, rest[joint], rest[joint] + end))
    for joint, start, end in segments:
        faces.append(_SEGMENT_FACES + 6 * len(places))
        places.append(_spindle(start, end))
        joints.append(joint)
    vertices = np.concatenate(places).astype(np.float32)
    bones = np.zeros((len(vertices), 4), np.uint8)
    bones[:, 0] = np.repeat(joints, 6)
    weights = np.zeros((len(vertices), 4), np.float32)
    weights[:, 0] = 1.0
    return {
        "material": 0,
        "indices": buffer.add(
            np.concatenate(faces).ravel().astype(np.uint16), _ELEMENT_ARRAY_BUFFER
        ),
        "attributes": {
            "POSITION": buffer.add(vertices, _ARRAY_BUFFER, bounds=True),
            "JOINTS_0": buffer.add(bones, _ARRAY_BUFFER),
            "WEIGHTS_0": buffer.add(weights, _ARRAY_BUFFER),
        },
    }


def _spindle(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """(6, 3): an octahedron from ``start`` to ``end``."""
    along = end - start
    thick = _THICKNESS * max(float(np.linalg.norm(along)), 0.02)
    aside = np.cross(along, np.eye(3)[np.abs(along).argmin()])
    aside *= thick / max(float(np.linalg.norm(aside)), 1e-9)
    other = np.cross(along, aside)
    other *= thick / max(float(np.linalg.norm(other)), 1e-9)
    waist = start + _WAIST * along
    return np.stack([start, waist + aside, waist + other, waist - aside, waist - other, end])


def _animation(buffer: _Buffer, seconds: NDArray[np.float64], motion: Motion) -> dict[str, Any]:
    time = buffer.add(seconds.astype(np.float32), bounds=True)
    tracks = [("translation", 0, motion.roots_m)]
    tracks += [("rotation", joint, motion.rotations[:, joint]) for joint in range(NUM_JOINTS)]
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []
    for path, joint, values in tracks:
        target = {"node": joint + _FIRST_JOINT_NODE, "path": path}
        channels.append({"sampler": len(samplers), "target": target})
        samplers.append({"input": time, "output": buffer.add(values.astype(np.float32))})
    return {"name": "tracked", "samplers": samplers, "channels": channels}


def _container(document: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
