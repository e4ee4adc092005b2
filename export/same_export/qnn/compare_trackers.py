"""The whole tracker on the NPU against the float tracker on the CPU, over a recording."""

from collections.abc import Callable

import numpy as np

from same_engines import Bundle, open_engine
from same_engines.qnn.library import is_emulated
from same_export.qnn.report import TrackerDifference
from same_export.quantisation.joint_error import distances_mm
from same_export.quantisation.tracked_joints import tracked_joints
from same_runtime.conventions import JOINT_NAMES
from same_runtime.recording import Recording


def compare_trackers(
    bundle: Bundle,
    target: str,
    recording: Recording,
    frames: int,
    progress: Callable[[], None] = lambda: None,
) -> TrackerDifference:
    """Track the first ``frames`` frames of ``recording`` twice and compare the poses.

    Emulation takes seconds a frame. ``progress`` receives of each frame, twice. Raises what opening
    the engines raises.
    """
    float_mm, npu_mm = None, None
    with open_engine(bundle, "onnxruntime", threads=1) as engine:
        exact, truth = tracked_joints(bundle, engine, recording, frames, progress)
    with open_engine(bundle, target, threads=1) as engine:
        npu, _ = tracked_joints(bundle, engine, recording, frames, progress)
    if truth is not None:
        float_mm = float(distances_mm(exact, truth).mean())
        npu_mm = float(distances_mm(npu, truth).mean())
    distance = distances_mm(npu, exact)
    return TrackerDifference(
        recording=recording.path.name,
        frames=len(exact),
        emulated=is_emulated(),
        mean_mm=float(distance.mean()),
        p99_mm=float(np.percentile(distance, 99)),
        max_mm=float(distance.max()),
        joints_mm={
            name: (float(distance[:, j].mean()), float(distance[:, j].max()))
            for j, name in enumerate(JOINT_NAMES)
        },
        truth_float_mm=float_mm,
        truth_npu_mm=npu_mm,
    )
