"""The joints that a bundle's tracker finds in a recording, to compare engines and precisions by."""

from collections.abc import Callable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from same_engines import Bundle, Engine
from same_runtime.recording import Recording
from same_runtime.recording.replay import Replay
from same_runtime.tracker import SamePoseTracker


def tracked_joints(
    bundle: Bundle,
    engine: Engine,
    recording: Recording,
    frames: int | None = None,
    progress: Callable[[], None] = lambda: None,
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """(F, 22, 3) metres: the joints of every frame of ``recording`` or of its first ``frames``, and
    the truth, or None where a frame has none. ``progress`` receives of each frame."""
    joints, truth = [], []
    with SamePoseTracker(bundle.path, recording.rig, engine) as tracker:
        for replayed in islice(Replay(recording, tracker), frames):
            joints.append(replayed.pose.joints_world)
            if replayed.truth_world is not None:
                truth.append(replayed.truth_world)
            progress()
    whole = len(truth) == len(joints)
    return np.array(joints), np.array(truth) if whole else None
