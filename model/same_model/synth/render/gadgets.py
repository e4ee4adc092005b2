"""Controllers and leg trackers: their meshes, and adding them to what is worn."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_model.synth.render.outfit import Mesh
from same_runtime.conventions import JOINT_NAMES


def _tube(
    path: NDArray[np.float64], radii: NDArray[np.float64], sides: int, closed: bool
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Triangles of a tube along ``path`` (n, 3) with a radius at each point."""
    n = len(path)
    following = np.roll(path, -1, axis=0) if closed else np.vstack([path[1:], path[-1:]])
    previous = np.roll(path, 1, axis=0) if closed else np.vstack([path[:1], path[:-1]])
    tangent = following - previous
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-12
    helper = np.array([0.36, 0.48, 0.8])
    first = np.cross(tangent, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(tangent, first)
    angle = 2 * np.pi * np.arange(sides) / sides
    ring = (
        first[:, None] * np.cos(angle)[None, :, None]
        + second[:, None] * np.sin(angle)[None, :, None]
    )
    points = (path[:, None] + radii[:, None, None] * ring).reshape(-1, 3)
    faces = []
    for i in range(n if closed else n - 1):
        for s in range(sides):
            a, b = i * sides + s, i * sides + (s + 1) % sides
            c, d = (a + sides) % (n * sides), (b + sides) % (n * sides)
            faces += [[a, b, c], [b, d, c]]
    return points, np.array(faces, np.int32)


def controller_mesh(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """A controller in its own frame (OpenXR grip axes): handle, head and sometimes a ring."""
    length = float(rng.uniform(0.10, 0.13))
    z = np.linspace(length / 2, -length / 2 - 0.02, 8)
    radii = np.array([0.001, 0.013, 0.016, 0.016, 0.017, 0.024, 0.024, 0.001])
    parts = [_tube(np.stack([0 * z, 0 * z, z], 1), radii * rng.uniform(0.9, 1.15), 8, False)]
    if rng.random() < 0.6:
        a = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        r = float(rng.uniform(0.04, 0.055))
        ring = np.stack([r * np.cos(a), r * np.sin(a) + 0.01, 0 * a - length / 2 - 0.01], 1)
        tilt = Rotation.from_euler("x", rng.uniform(-50, 50), degrees=True)
        centre = ring.mean(axis=0)
        parts.append(_tube(tilt.apply(ring - centre) + centre, np.full(14, 0.007), 5, True))
    return _merge(parts)


def tracker_mesh(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """A leg tracker: a small box in its own frame."""
    half = rng.uniform((0.02, 0.02, 0.006), (0.035, 0.04, 0.012))
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * half
    faces = [
        [0, 1, 3],
        [0, 3, 2],
        [4, 6, 7],
        [4, 7, 5],
        [0, 4, 5],
        [0, 5, 1],
        [2, 3, 7],
        [2, 7, 6],
        [0, 2, 6],
        [0, 6, 4],
        [1, 5, 7],
        [1, 7, 3],
    ]
    return corners, np.array(faces, np.int32)


def _merge(
    parts: list[tuple[NDArray[np.float64], NDArray[np.int32]]],
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    vertices, faces, start = [], [], 0
    for v, f in parts:
        vertices.append(v)
        faces.append(f + start)
        start += len(v)
    return np.concatenate(vertices), np.concatenate(faces).astype(np.int32)


def with_gadgets(
    mesh: Mesh,
    gadgets: list[tuple[NDArray[np.float64], NDArray[np.int32], int]],
) -> Mesh:
    """Add rigid parts, the i-th moved by frame 22 + i: (vertices, faces, material) each."""
    vertices, faces = [mesh.vertices], [mesh.faces]
    materials, covers = [mesh.face_materials], [mesh.face_covers]
    frames, weights = [mesh.weight_frames], [mesh.weights]
    start = len(mesh.vertices)
    for i, (v, f, material) in enumerate(gadgets):
        vertices.append(v)
        faces.append(f + start)
        materials.append(np.full((len(f), 2), material, np.int32))
        covers.append(np.ones((len(f), 3)))
        frames.append(np.full((len(v), 4), len(JOINT_NAMES) + i, np.int32))
        weights.append(np.tile([1.0, 0.0, 0.0, 0.0], (len(v), 1)))
        start += len(v)
    return Mesh(
        np.concatenate(vertices),
        np.concatenate(faces).astype(np.int32),
        np.concatenate(materials),
        np.concatenate(covers),
        np.concatenate(frames).astype(np.int32),
        np.concatenate(weights),
        mesh.sole_thickness_m,
    )
