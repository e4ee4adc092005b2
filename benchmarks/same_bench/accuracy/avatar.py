"""What a skeleton and sending it cost, how far feet skate, what smoothing delays: on the demo, as
JSON.

Run: python -m same_bench.accuracy.avatar
"""

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from socket import AF_INET, SOCK_DGRAM, socket
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from same_model.evaluation.metrics import frame_errors, summarise
from same_runtime.conventions import LOWER_BODY_JOINTS
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.estimation.finishing import PoseSmoother
from same_runtime.options import TrackerOptions
from same_runtime.outputs import BvhFile, GlbFile, McapFile, Output, open_output
from same_runtime.pose import Pose
from same_runtime.recording import Recording
from same_runtime.recording.replay import Replay
from same_runtime.skeleton.one_euro import OneEuro
from same_runtime.skeleton.rotations import SkeletonSolver
from same_runtime.tracker import SamePoseTracker

_REPEATS, _SEND_REPEATS = 20, 6
_FIGURES = ("mpjpe", "lower", "foot", "penetration", "jitter", "skating")
_SMOOTHINGS = {
    "1.0 Hz + 2 Hz per m/s": OneEuro(1.0, 2.0),
    "2.0 Hz + 4 Hz per m/s (default)": OneEuro(),
    "4.0 Hz + 8 Hz per m/s": OneEuro(4.0, 8.0),
}
_LARGEST_DELAY_S, _DELAY_STEP_S = 0.3, 0.001


def main() -> None:
    """Track the demo, then print the figures."""
    poses, truth = _tracked_demo()
    times = np.array([pose.timestamp_ns for pose in poses])
    report: dict[str, object] = {
        "solve_us_a_pose": _solve_us(poses),
        "send_us_a_pose": _send_us(poses),
    }
    as_estimated = np.stack([pose.joints_world for pose in poses])
    bodies = {
        "as estimated": as_estimated,
        "skeleton": _solved(SkeletonSolver(), poses),
        "skeleton, planted feet": _solved(SkeletonSolver(plant_feet=True), poses),
    }
    for name, settings in _SMOOTHINGS.items():
        bodies[f"smoothed, {name}"] = _smoothed(settings, poses, as_estimated)
    for name, joints in bodies.items():
        scores = summarise(frame_errors(joints, truth, times))
        report[name] = {figure: round(scores[figure], 1) for figure in _FIGURES}
    report["delay_ms"] = {
        name: round(_delay_ms(_smoothed(settings, poses, truth), truth, times), 1)
        for name, settings in _SMOOTHINGS.items()
    }
    report["largest_turn_deg_between_frames"] = _largest_turn_deg(poses)
    print(json.dumps(report, indent=1))


def _tracked_demo() -> tuple[list[Pose], NDArray[np.float64]]:
    recording = Recording(demo_recording())
    poses, truth = [], []
    options = TrackerOptions(threads=1, precision="fp32")
    with SamePoseTracker(demo_bundle(), recording.rig, options=options) as tracker:
        for replayed in Replay(recording, tracker):
            assert replayed.truth_world is not None
            poses.append(replayed.pose)
            truth.append(replayed.truth_world)
    return poses, np.stack(truth)


def _solve_us(poses: Sequence[Pose]) -> dict[str, dict[str, float]]:
    """Processor time."""
    costs = {}
    for plant in (False, True):
        took = []
        for _ in range(_REPEATS):
            solver = SkeletonSolver(plant_feet=plant)
            began_s = time.process_time()
            for pose in poses:
                solver.solve(pose)
            took.append(1e6 * (time.process_time() - began_s) / len(poses))
        costs["with planted feet" if plant else "rotations"] = {
            "median": round(float(np.median(took)), 1),
            "least": round(min(took), 1),
        }
    return costs


def _send_us(poses: Sequence[Pose]) -> dict[str, float]:
    """Least processor time of each output, its file's closing counted in."""
    costs: dict[str, float] = {}
    with TemporaryDirectory() as folder, socket(AF_INET, SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        peer = f"127.0.0.1:{receiver.getsockname()[1]}"
        openers: dict[str, Callable[[], Output]] = {
            "mcap": lambda: McapFile(f"{folder}/body.mcap"),
            "bvh": lambda: BvhFile(f"{folder}/body.bvh"),
            "glb": lambda: GlbFile(f"{folder}/body.glb"),
        }
        for protocol in ("vmc", "vrchat", "vmt"):
            openers[protocol] = partial(open_output, f"{protocol}://{peer}")
        for name, opened in openers.items():
            took = []
            for _ in range(_SEND_REPEATS):
                output = opened()
                began_s = time.process_time()
                for pose in poses:
                    output.send(pose)
                output.close()
                took.append(1e6 * (time.process_time() - began_s) / len(poses))
            costs[name] = round(min(took), 1)
    return costs


def _solved(solver: SkeletonSolver, poses: Sequence[Pose]) -> NDArray[np.float64]:
    skeletons = [solver.solve(pose) for pose in poses]
    return np.stack([skeleton.joints_world for skeleton in skeletons if skeleton is not None])


def _smoothed(
    settings: OneEuro, poses: Sequence[Pose], joints: NDArray[np.float64]
) -> NDArray[np.float64]:
    smoother = PoseSmoother(settings)
    return np.stack(
        [
            smoother.smooth(pose.with_joints(places), keep=True)
            for pose, places in zip(poses, joints, strict=True)
        ]
    )


def _delay_ms(
    smoothed: NDArray[np.float64], truth: NDArray[np.float64], times_ns: NDArray[np.int64]
) -> float:
    """By how much later the lower body's truth is most like itself smoothed: the filter's delay
    where no device holds the joints, without any noise that it could take out."""
    seconds = 1e-9 * (times_ns - times_ns[0])
    best, least = 0.0, np.inf
    late = seconds >= _LARGEST_DELAY_S
    lower = list(LOWER_BODY_JOINTS)
    flat, late_flat = (
        joints[:, lower].reshape(len(joints), -1) for joints in (truth, smoothed[late])
    )
    for delay_s in np.arange(0.0, _LARGEST_DELAY_S, _DELAY_STEP_S):
        at = seconds[late] - delay_s
        before = np.stack([np.interp(at, seconds, column) for column in flat.T], axis=1)
        error = float(((before - late_flat) ** 2).sum())
        if error < least:
            best, least = float(delay_s), error
    return 1e3 * best


def _largest_turn_deg(poses: Sequence[Pose]) -> float:
    solver = SkeletonSolver(plant_feet=True)
    skeletons = [solver.solve(pose) for pose in poses]
    q = np.stack([s.rotations_world for s in skeletons if s is not None])
    cosines = np.minimum(np.abs((q[1:] * q[:-1]).sum(axis=-1)), 1.0)
    return round(float(np.rad2deg(2.0 * np.arccos(cosines)).max()), 1)


if __name__ == "__main__":
    main()
