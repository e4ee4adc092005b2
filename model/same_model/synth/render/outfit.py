"""What the wearer has on: the body below the neck in random clothes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from same_model.synth.body.body import Body
from same_model.synth.render.materials import HEAD, SHIRT, SHOES, SKIN, TROUSERS
from same_runtime.conventions import JOINT_NAMES


@dataclass(frozen=True)
class Mesh:
    """A rigged triangle mesh: everything worn, in one list of triangles."""

    vertices: NDArray[np.float64]
    """(V, 3) rest position, metres, in the frame that moves it."""
    faces: NDArray[np.int32]
    """(F, 3)."""
    face_materials: NDArray[np.int32]
    """(F, 2) material where the face's cover is positive, and where it is not."""
    face_covers: NDArray[np.float64]
    """(F, 3) cover at the corners: a hem runs where its interpolation crosses zero."""
    weight_frames: NDArray[np.int32]
    """(V, 4) indices of the frames that move each vertex: 22 joints, then gadgets."""
    weights: NDArray[np.float64]
    """(V, 4)."""
    sole_thickness_m: float
    """How far the shoes reach below the bare foot."""


@dataclass(frozen=True)
class _Cut:
    """Where clothes end and how loose they hang."""

    hem_m: float
    """Height of the shirt's hem."""
    shirt_loose_m: float
    trouser_loose_m: float
    sleeve: float
    """Where sleeves end: 0 at the shoulder, 1 at the elbow, 2 at the wrist."""
    trouser: float
    """Where trousers end: 0 at the hip, 1 at the knee, 2 at the ankle."""


@dataclass(frozen=True)
class _Region:
    """A part of the body with its clothes."""

    chosen: NDArray[np.bool_]
    """(V,) its vertices."""
    inner: int
    """Material where the cover is positive."""
    outer: int
    """Material elsewhere."""
    cover: NDArray[np.float64]
    """(V,) of all vertices."""


def _along(
    points: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    axis = end - start
    return (points - start) @ axis / (axis @ axis)


def _vertex_normals(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.float64]:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    out = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(out, faces[:, k], normal)
    return out / (np.linalg.norm(out, axis=1, keepdims=True) + 1e-12)


def dress(rng: np.random.Generator, body: Body) -> Mesh:
    """The body below the neck in random clothes: a loose shell over the skin, by region. The head
    is left out: the wearer's cameras never see it."""
    model = body.model
    faces = model.faces[: model.body_faces]
    vertices = body.vertices.copy()
    cut = _random_cut(rng, body)
    looseness = np.zeros(len(vertices))
    regions = _trunk(body, cut, looseness)
    for side in ("left", "right"):
        regions += _limbs(body, cut, side, looseness)
    regions.append(_Region(_moved_by(body, "head"), HEAD, SKIN, np.ones(len(vertices))))
    materials, covers = _face_cloth(regions, faces)

    # Folds: a smooth random field over the rest pose, only where cloth hangs loose.
    waves = sum(
        np.sin(vertices @ rng.normal(0.0, 28.0, 3) + rng.uniform(0, 2 * np.pi)) for _ in range(4)
    )
    shift = looseness * (1 + 0.35 * waves / 2) + 0.001
    shoe = np.isin(
        model.weight_joints[:, 0],
        [JOINT_NAMES.index(f"{s}_{p}") for s in ("left", "right") for p in ("ankle", "foot")],
    )
    sole = float(rng.uniform(0.01, 0.035))
    shift[shoe] = 0.006
    vertices += shift[:, None] * _vertex_normals(body.vertices, model.faces)
    foot_low = shoe & (vertices[:, 1] < _joint(body, "left_foot")[1])
    vertices[foot_low, 1] -= sole
    floor = body.vertices[shoe, 1].min() - sole
    vertices[shoe, 1] = np.maximum(vertices[shoe, 1], floor)
    return Mesh(
        vertices,
        faces.astype(np.int32),
        materials,
        covers,
        model.weight_joints.astype(np.int32),
        model.weights,
        sole,
    )


def _random_cut(rng: np.random.Generator, body: Body) -> _Cut:
    return _Cut(
        hem_m=_joint(body, "pelvis")[1] - rng.uniform(0.02, 0.16),
        shirt_loose_m=rng.uniform(0.004, 0.035),
        trouser_loose_m=rng.uniform(0.004, 0.028),
        sleeve=rng.choice([0.0, 0.45, 0.75, 1.5, 1.92], p=[0.08, 0.3, 0.22, 0.15, 0.25]),
        trouser=rng.choice([0.75, 1.0, 1.6, 1.95], p=[0.2, 0.1, 0.15, 0.55]),
    )


def _joint(body: Body, name: str) -> NDArray[np.float64]:
    return body.joints[JOINT_NAMES.index(name)]


def _moved_by(body: Body, joint: str) -> NDArray[np.bool_]:
    """(V,) the vertices that follow ``joint`` more than any other."""
    return np.asarray(body.model.weight_joints[:, 0] == JOINT_NAMES.index(joint))


def _trunk(body: Body, cut: _Cut, looseness: NDArray[np.float64]) -> list[_Region]:
    """Regions of the shirt and the hips; the first is everywhere. Fills ``looseness`` (V,)."""
    height = body.vertices[:, 1]
    neck = _joint(body, "neck")[1]
    down = np.clip((_joint(body, "spine3")[1] - height) / 0.4, 0.2, 1.3)
    looseness[:] = cut.shirt_loose_m * down * (height < neck - 0.01)
    hips = _moved_by(body, "pelvis") | _moved_by(body, "left_hip") | _moved_by(body, "right_hip")
    looseness[hips & (height <= cut.hem_m)] = 0.4 * cut.trouser_loose_m
    return [
        _Region(np.ones(len(height), bool), SHIRT, SKIN, neck - 0.01 - height),
        _Region(hips, SHIRT, TROUSERS, height - cut.hem_m),
    ]


def _limbs(body: Body, cut: _Cut, side: str, looseness: NDArray[np.float64]) -> list[_Region]:
    """Regions of one side's arm, leg and shoe. Fills ``looseness`` (V,) there."""
    vertices = body.vertices
    parts = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "foot")
    shoulder, elbow, wrist, hip, knee, ankle, foot = (
        _moved_by(body, f"{side}_{part}") for part in parts
    )
    at = {part: _joint(body, f"{side}_{part}") for part in parts}
    upper = _along(vertices, at["shoulder"], at["elbow"])
    lower = 1 + _along(vertices, at["elbow"], at["wrist"])
    along_arm = np.where(elbow | wrist, lower, upper)
    arm = shoulder | elbow | wrist
    sleeve = np.where(along_arm < cut.sleeve, cut.shirt_loose_m * (0.4 + 0.4 * along_arm), 0.0)
    looseness[arm] = sleeve[arm]
    thigh = _along(vertices, at["hip"], at["knee"])
    shin = 1 + _along(vertices, at["knee"], at["ankle"])
    along_leg = np.where(knee | ankle, shin, thigh)
    leg = (hip & (along_leg > 0.35)) | knee
    trouser = np.where(along_leg < cut.trouser, cut.trouser_loose_m * (0.3 + 0.5 * along_leg), 0.0)
    looseness[leg] = trouser[leg]
    looseness[ankle | foot] = 0.004
    sock = at["ankle"][1] + 0.05
    above_shoe = TROUSERS if cut.trouser > 1.8 else SKIN
    return [
        _Region(arm, SHIRT, SKIN, cut.sleeve - along_arm),
        _Region(leg, TROUSERS, SKIN, cut.trouser - along_leg),
        _Region(ankle | foot, SHOES, above_shoe, sock - vertices[:, 1]),
    ]


def _face_cloth(
    regions: list[_Region], faces: NDArray[np.integer]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """``face_materials`` and ``face_covers`` of a ``Mesh``; of two regions the later one holds."""
    region_of = np.zeros(len(regions[0].chosen), np.int64)
    for k, region in enumerate(regions):
        region_of[region.chosen] = k
    region_of_face = region_of[faces[:, 0]]
    materials = np.array([[r.inner, r.outer] for r in regions], np.int32)[region_of_face]
    covers = np.stack([r.cover for r in regions])[region_of_face[:, None], faces]
    return materials, covers
