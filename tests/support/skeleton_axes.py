"""A captured clip in other axes."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from same_model.synth.motion.capture.skeleton import SkeletonClip


def own_axes(clip: SkeletonClip, rng: np.random.Generator) -> SkeletonClip:
    """The same motion with bone axes of its own at every joint: the rest pose is a heap."""
    turns = [Rotation.random(random_state=int(rng.integers(2**31))) for _ in clip.names]
    offsets, rotations = clip.offsets.copy(), clip.rotations_xyzw.copy()
    for j, parent in enumerate(clip.parents):
        local = Rotation.from_quat(rotations[:, j]) * turns[j]
        if parent >= 0:
            local = turns[parent].inv() * local
            offsets[j] = turns[parent].inv().apply(offsets[j])
        rotations[:, j] = local.as_quat()
    ends = {j: turns[j].inv().apply(end) for j, end in clip.ends.items()}
    return replace(clip, offsets=offsets, rotations_xyzw=rotations, ends=ends)
