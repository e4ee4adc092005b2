"""What surrounds and clothes the wearer: textures, a room with furniture, an outfit, gadgets."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from same_model.synth.body.body import Body
from same_runtime.conventions import JOINT_NAMES

TEXTURE_SIZE = 256
SKIN, SHIRT, TROUSERS, SHOES, CONTROLLER, TRACKER, HEAD = range(7)
NUM_BODY_MATERIALS = 7
FLOOR, WALL, CEILING, FURNITURE = 7, 8, 9, 10
NUM_FURNITURE_MATERIALS = 3
NUM_MATERIALS = FURNITURE + NUM_FURNITURE_MATERIALS

# Tile of each material's texture, metres.
_TILE_M = {
    SKIN: 0.3,
    SHIRT: 0.5,
    TROUSERS: 0.6,
    SHOES: 0.2,
    CONTROLLER: 0.1,
    TRACKER: 0.1,
    HEAD: 0.3,
    FLOOR: 1.6,
    WALL: 3.0,
    CEILING: 2.4,
}


def _noise(rng: np.random.Generator, sigma: float) -> NDArray[np.float64]:
    field = gaussian_filter(rng.normal(size=(TEXTURE_SIZE, TEXTURE_SIZE)), sigma, mode="wrap")
    return np.asarray(field / (field.std() + 1e-9))


def _planks(rng: np.random.Generator) -> NDArray[np.float64]:
    rows = int(rng.choice([4, 8, 16]))
    width = TEXTURE_SIZE // rows
    out = np.empty((TEXTURE_SIZE, TEXTURE_SIZE))
    grain = gaussian_filter(rng.normal(size=out.shape), (0.7, 12.0), mode="wrap")
    for row in range(rows):
        part = slice(row * width, (row + 1) * width)
        cut = int(rng.integers(TEXTURE_SIZE))
        tones = rng.normal(0.0, 0.12, 2)
        columns = (np.arange(TEXTURE_SIZE) - cut) % TEXTURE_SIZE
        tone = np.where(columns < TEXTURE_SIZE // 2, tones[0], tones[1])
        out[part] = 1.0 + tone
        seam = np.minimum(columns, np.abs(columns - TEXTURE_SIZE // 2)) < 2
        out[part][:, seam] *= 0.6
        out[row * width : row * width + 1 + (width > 30)] *= 0.6
    return out + 0.6 * grain


def _tiles(rng: np.random.Generator) -> NDArray[np.float64]:
    count = int(rng.choice([2, 4, 8]))
    size = TEXTURE_SIZE // count
    tone = 1.0 + rng.normal(0.0, 0.06, (count, count))
    out = np.kron(tone, np.ones((size, size)))
    grid = np.arange(TEXTURE_SIZE) % size < max(1, size // 24)
    joint = float(rng.uniform(0.5, 1.3))
    out[grid] *= joint
    out[:, grid] *= joint
    return out + 0.04 * _noise(rng, 3.0)


def _checker(rng: np.random.Generator) -> NDArray[np.float64]:
    count = int(rng.choice([4, 8]))
    y, x = np.indices((TEXTURE_SIZE, TEXTURE_SIZE)) * count // TEXTURE_SIZE
    return 1.0 + float(rng.uniform(0.1, 0.45)) * ((x + y) % 2 * 2 - 1) + 0.03 * _noise(rng, 2.0)


def _stripes(rng: np.random.Generator) -> NDArray[np.float64]:
    count = int(rng.choice([4, 8, 16]))
    phase = np.arange(TEXTURE_SIZE) * count % TEXTURE_SIZE / TEXTURE_SIZE
    stripe = np.where(phase < rng.uniform(0.3, 0.7), 1.0, -1.0) * float(rng.uniform(0.1, 0.5))
    out = 1.0 + np.repeat(stripe[:, None], TEXTURE_SIZE, axis=1)
    if rng.random() < 0.4:
        out = out.T
    return out + 0.05 * _noise(rng, 1.5)


def _carpet(rng: np.random.Generator) -> NDArray[np.float64]:
    return 1.0 + 0.12 * _noise(rng, 0.8) + 0.08 * _noise(rng, 8.0)


def _cloud(rng: np.random.Generator) -> NDArray[np.float64]:
    return 1.0 + 0.05 * _noise(rng, 1.2) + 0.07 * _noise(rng, 16.0)


def _patches(rng: np.random.Generator) -> NDArray[np.float64]:
    """Pictures, switches and windows on a wall; prints on a shirt."""
    out = _cloud(rng)
    for _ in range(int(rng.integers(1, 5))):
        h, w = rng.integers(TEXTURE_SIZE // 12, TEXTURE_SIZE // 3, 2)
        y, x = rng.integers(0, TEXTURE_SIZE - h), rng.integers(0, TEXTURE_SIZE - w)
        out[y : y + h, x : x + w] = rng.uniform(0.3, 1.7)
        inner = out[y + h // 8 : y + h - h // 8, x + w // 8 : x + w - w // 8]
        inner *= rng.uniform(0.6, 1.4)
    return out


_KINDS = {
    FLOOR: (_planks, _planks, _tiles, _checker, _carpet, _cloud),
    WALL: (_cloud, _patches, _patches, _stripes, _tiles),
    CEILING: (_cloud, _tiles),
    SHIRT: (_cloud, _cloud, _stripes, _patches, _checker),
    TROUSERS: (_cloud, _cloud, _cloud, _stripes),
}
_ALBEDO = {
    SKIN: (0.25, 0.75),
    SHIRT: (0.08, 0.85),
    TROUSERS: (0.06, 0.6),
    SHOES: (0.08, 0.85),
    CONTROLLER: (0.06, 0.8),
    TRACKER: (0.06, 0.5),
    HEAD: (0.3, 0.5),
    FLOOR: (0.15, 0.7),
    WALL: (0.35, 0.85),
    CEILING: (0.6, 0.9),
}


@dataclass(frozen=True)
class Scene:
    """Room, furniture and materials of one recording."""

    materials: NDArray[np.float32]
    """(NUM_MATERIALS, 2): albedo (0..1), texels per metre of mip level 0."""
    mips: NDArray[np.float32]
    """(NUM_MATERIALS, texels) every material's texture at sizes 256, 128 … 4, level after level."""
    room: NDArray[np.float64]
    """(6,) x_min, x_max, floor, ceiling, z_min, z_max, metres, world."""
    boxes: NDArray[np.float64]
    """(n, 9) furniture: centre (3), half size (3), cos yaw, sin yaw, material."""
    light: NDArray[np.float64]
    """(3,) unit direction towards the main lamp, world."""
    ambient: float
    diffuse: float
    shadow: float
    """0..1, how dark the lamp's shadow is."""


def _mip_chain(texture: NDArray[np.float64]) -> NDArray[np.float32]:
    levels = []
    level = texture
    while True:
        levels.append(level.ravel())
        if len(level) <= 4:
            return np.concatenate(levels).astype(np.float32)
        level = level.reshape(len(level) // 2, 2, len(level) // 2, 2).mean(axis=(1, 3))


def random_scene(
    rng: np.random.Generator,
    path_xz: NDArray[np.float64],
    seat: tuple[float, float, float] | None = None,
) -> Scene:
    """A room around a path that it leaves clear.

    ``path_xz``: (frames, 2) metres, where the wearer goes. ``seat``: (x, height, z) of a stool
    to put there.
    """
    materials = np.empty((NUM_MATERIALS, 2), np.float32)
    mips = []
    for m in range(NUM_MATERIALS):
        kinds = _KINDS.get(m, (_cloud,) if m < FURNITURE else (_planks, _cloud, _cloud))
        texture = kinds[int(rng.integers(len(kinds)))](rng)
        tile = _TILE_M.get(m, 1.2) * float(rng.uniform(0.7, 1.4))
        materials[m] = rng.uniform(*_ALBEDO.get(m, (0.08, 0.8))), TEXTURE_SIZE / tile
        mips.append(_mip_chain(np.clip(texture, 0.05, 2.0)))

    low, high = path_xz.min(axis=0), path_xz.max(axis=0)
    margins = rng.uniform(1.0, 3.5, 4)
    room = np.array(
        [
            low[0] - margins[0],
            high[0] + margins[1],
            0.0,
            rng.uniform(2.4, 3.2),
            low[1] - margins[2],
            high[1] + margins[3],
        ]
    )
    boxes: list[list[float]] = []
    wanted = int(rng.integers(3, 9))
    for _ in range(wanted * 6):
        if len(boxes) == wanted:
            break
        half = rng.uniform((0.15, 0.15, 0.15), (0.7, 0.9, 0.5))
        x, z = rng.uniform(room[0], room[1]), rng.uniform(room[4], room[5])
        reach = float(np.hypot(half[0], half[2])) + 0.55
        if np.hypot(path_xz[:, 0] - x, path_xz[:, 1] - z).min() < reach:
            continue
        yaw = rng.uniform(0, np.pi)
        material = FURNITURE + int(rng.integers(NUM_FURNITURE_MATERIALS))
        boxes.append([x, half[1], z, half[0], half[1], half[2], np.cos(yaw), np.sin(yaw), material])
    if seat is not None:
        x, height, z = seat
        half_width = float(rng.uniform(0.15, 0.22))
        yaw = rng.uniform(0, np.pi)
        boxes.append(
            [
                x,
                height / 2,
                z,
                half_width,
                height / 2,
                half_width,
                np.cos(yaw),
                np.sin(yaw),
                FURNITURE,
            ]
        )
    azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(np.deg2rad(45), np.deg2rad(85))
    light = np.array(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.sin(elevation),
            np.cos(elevation) * np.sin(azimuth),
        ]
    )
    ambient = float(rng.uniform(0.35, 0.75))
    return Scene(
        materials,
        np.stack(mips),
        room,
        np.array(boxes, np.float64).reshape(-1, 9),
        light,
        ambient,
        float(1.15 - ambient),
        float(rng.uniform(0.25, 0.8)),
    )


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


def dress(rng: np.random.Generator, body: Body, with_head: bool = False) -> Mesh:
    """The body below the neck in random clothes: a loose shell over the skin, by region.

    ``with_head``: keep the head too (seen from outside; the wearer's cameras never see it).
    """
    model = body.model
    faces = model.faces if with_head else model.faces[: model.body_faces]
    vertices = body.vertices.copy()
    normals = _vertex_normals(vertices, model.faces)
    main = model.weight_joints[:, 0]
    is_joint = {name: main == j for j, name in enumerate(JOINT_NAMES)}
    joint = {name: body.joints[j] for j, name in enumerate(JOINT_NAMES)}

    hem = joint["pelvis"][1] - rng.uniform(0.02, 0.16)
    shirt_loose, trouser_loose = rng.uniform(0.004, 0.035), rng.uniform(0.004, 0.028)
    sleeve = rng.choice([0.0, 0.45, 0.75, 1.5, 1.92], p=[0.08, 0.3, 0.22, 0.15, 0.25])
    trouser = rng.choice([0.75, 1.0, 1.6, 1.95], p=[0.2, 0.1, 0.15, 0.55])

    # Per kind of region: which vertices choose it, inner and outer material, cover of all vertices.
    kinds: list[tuple[NDArray[np.bool_], int, int, NDArray[np.float64]]] = []
    looseness = np.zeros(len(vertices))
    everywhere = np.ones(len(vertices), bool)
    neck = body.joints[JOINT_NAMES.index("neck"), 1]
    kinds.append((everywhere, SHIRT, SKIN, neck - 0.01 - vertices[:, 1]))
    down = np.clip((joint["spine3"][1] - vertices[:, 1]) / 0.4, 0.2, 1.3)
    looseness[:] = shirt_loose * down * (vertices[:, 1] < neck - 0.01)
    hips = is_joint["pelvis"] | is_joint["left_hip"] | is_joint["right_hip"]
    kinds.append((hips, SHIRT, TROUSERS, vertices[:, 1] - hem))
    below = hips & (vertices[:, 1] <= hem)
    looseness[below] = 0.4 * trouser_loose
    for side in ("left", "right"):
        shoulder, elbow, wrist, hip, knee, ankle, foot = (
            is_joint[f"{side}_{part}"]
            for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "foot")
        )
        upper = _along(vertices, joint[f"{side}_shoulder"], joint[f"{side}_elbow"])
        lower = 1 + _along(vertices, joint[f"{side}_elbow"], joint[f"{side}_wrist"])
        along = np.where(elbow | wrist, lower, upper)
        arm = shoulder | elbow | wrist
        kinds.append((arm, SHIRT, SKIN, sleeve - along))
        looseness[arm] = np.where(along < sleeve, shirt_loose * (0.4 + 0.4 * along), 0.0)[arm]
        thigh = _along(vertices, joint[f"{side}_hip"], joint[f"{side}_knee"])
        shin = 1 + _along(vertices, joint[f"{side}_knee"], joint[f"{side}_ankle"])
        along = np.where(knee | ankle, shin, thigh)
        leg = (hip & (along > 0.35)) | knee
        kinds.append((leg, TROUSERS, SKIN, trouser - along))
        looseness[leg] = np.where(along < trouser, trouser_loose * (0.3 + 0.5 * along), 0.0)[leg]
        sock = joint[f"{side}_ankle"][1] + 0.05
        outer = TROUSERS if trouser > 1.8 else SKIN
        kinds.append((ankle | foot, SHOES, outer, sock - vertices[:, 1]))
        looseness[ankle | foot] = 0.004
    kinds.append((is_joint["head"], HEAD, SKIN, np.ones(len(vertices))))
    kind_of = np.zeros(len(vertices), np.int64)
    for k, (chosen, _, _, _) in enumerate(kinds):
        kind_of[chosen] = k
    kind = kind_of[faces[:, 0]]
    materials = np.array([[inner, outer] for _, inner, outer, _ in kinds], np.int32)[kind]
    covers = np.stack([cover for *_, cover in kinds])[kind[:, None], faces]

    # Folds: a smooth random field over the rest pose, only where cloth hangs loose.
    waves = sum(
        np.sin(vertices @ rng.normal(0.0, 28.0, 3) + rng.uniform(0, 2 * np.pi)) for _ in range(4)
    )
    shift = looseness * (1 + 0.35 * waves / 2) + 0.001
    shoe = np.isin(
        main, [JOINT_NAMES.index(f"{s}_{p}") for s in ("left", "right") for p in ("ankle", "foot")]
    )
    sole = float(rng.uniform(0.01, 0.035))
    shift[shoe] = 0.006
    vertices += shift[:, None] * normals
    foot_low = shoe & (vertices[:, 1] < joint["left_foot"][1])
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
