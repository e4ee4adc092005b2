"""From motion clips to recordings: who wears what where, rendered and sensed."""

import json
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from same_engines.atomic_files import remove_partial_files, replace_file, told_disk
from same_engines.errors import DataError
from same_model.data.sequence import SequenceWriter
from same_model.synth import sensors
from same_model.synth.body.body import joint_matrices, make_body, pose_joints
from same_model.synth.config import SynthConfig
from same_model.synth.made import JobResult, MadeOf, finish_recording, open_job
from same_model.synth.motion.clip import Motion, MotionReport, interpolate_rotations, rotated
from same_model.synth.motion.retarget import BodyMotion, retarget
from same_model.synth.motion.splits import SplitFile
from same_model.synth.plan import Job, performer_shape, seeded
from same_model.synth.render.gadgets import controller_mesh, tracker_mesh, with_gadgets
from same_model.synth.render.materials import CONTROLLER, TRACKER
from same_model.synth.render.outfit import Mesh, dress
from same_model.synth.render.rig import miscalibrated, random_rig
from same_model.synth.render.scene import Scene, random_scene
from same_model.synth.workers import begin_worker, ignore_interrupts
from same_runtime.conventions import DEVICES, JOINT_NAMES, JOINT_PARENTS

if TYPE_CHECKING:  # numba takes seconds to import
    from same_model.synth.render.renderer import ImageLook, Rendered, Renderer

_SEAT_CLEARANCE_M = 0.10
_TARGET_BRIGHTNESS = 0.42


@dataclass(frozen=True)
class Take:
    """A motion on a body with everything that decides what is seen and sensed."""

    motion: BodyMotion
    mesh: Mesh
    place: Scene
    mounting: sensors.Mounting
    tracks: sensors.DeviceTracks


def stage_take(rng: np.random.Generator, motion: Motion, shape: NDArray[np.float64]) -> Take:
    """Dress and equip a performer and build a room around the motion."""
    body = make_body(shape)
    clothes = dress(rng, body)
    # Wearers of headsets look at what their hands do; the capture's performers looked ahead.
    motion = rotated(motion, rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(0.0, 20.0)))
    worn = retarget(motion, body, clothes.sole_thickness_m)
    mounting = sensors.random_mounting(rng, worn)
    tracks = sensors.true_tracks(worn, mounting)
    controller, tracker = controller_mesh(rng), tracker_mesh(rng)
    mesh = with_gadgets(
        clothes,
        [(*controller, CONTROLLER)] * 2 + [(*tracker, TRACKER)] * 2,
    )
    path = worn.joints[:: max(1, worn.frames // 400), 0][:, [0, 2]]
    place = random_scene(rng, path, _seat(worn) if motion.seated else None)
    return Take(worn, mesh, place, mounting, tracks)


def _seat(motion: BodyMotion) -> tuple[float, float, float] | None:
    """Where the pelvis rests low and still, as a stool's (x, height, z)."""
    pelvis = motion.joints[:, 0]
    speed = np.linalg.norm(np.gradient(pelvis, 1 / motion.fps, axis=0), axis=1)
    standing = np.percentile(pelvis[:, 1], 95)
    still = (speed < 0.15) & (pelvis[:, 1] < 0.88 * standing)
    if still.sum() < 0.5 * motion.fps:
        return None
    x, y, z = np.median(pelvis[still], axis=0)
    back = Rotation.from_quat(motion.rotations_xyzw[still][0, 0]).apply([0.0, 0.0, -0.05])
    return float(x + back[0]), float(max(0.15, y - _SEAT_CLEARANCE_M)), float(z + back[2])


def near_joints(frames: int) -> NDArray[np.bool_]:
    """(22, frames) the body parts whose surface shows a joint.

    Those that meet at it, its own and its parent's; the trunk counts as one part.
    """
    trunk = [JOINT_NAMES.index(n) for n in ("pelvis", "spine1", "spine2", "spine3")]
    hips = [JOINT_NAMES.index(n) for n in ("left_hip", "right_hip")]
    near = np.zeros((len(JOINT_NAMES), frames), bool)
    for j, p in enumerate(JOINT_PARENTS):
        near[j, j] = True
        near[j, max(p, 0)] = True
    near[np.ix_(trunk, trunk)] = True
    near[np.ix_(trunk[:2], hips)] = True
    near[hips, trunk[1]] = True
    return near


def make_sequence(
    config: SynthConfig, job: Job, motion: Motion, path: Path, made_of: MadeOf
) -> None:
    """Render and sense one stretch of motion into ``path``. Raises ``DataError``."""
    from same_model.synth.render.renderer import Renderer

    rng = seeded(config.seed, "take", motion.name)
    take = stage_take(rng, motion, performer_shape(config.seed, job.performer, job.varied))
    rig = random_rig(rng, config.width, config.height, config.rig_spread)
    look = _random_look(rng, config.fps)
    times, epoch_ns = _frame_times(rng, float(take.tracks.times_s[-1]), config.fps)
    stamps = epoch_ns + np.round(times * 1e9).astype(np.int64)
    T = len(times)
    poses = _device_poses(take.tracks, times)
    joints, matrices = _at_times(take.motion, times)

    brightness = _TARGET_BRIGHTNESS * float(rng.uniform(0.7, 1.4))
    with SequenceWriter(path, T, config.width, config.height, config.depth) as writer:
        joints_2d = np.zeros((T, 2, len(JOINT_NAMES), 2))
        visible = np.zeros((T, 2, len(JOINT_NAMES)), np.uint8)
        if config.render:
            renderer = Renderer(rig, take.mesh, take.place, look, config.supersample)
            near = near_joints(int(take.mesh.weight_frames.max()) + 1)
            for i, shot in enumerate(_shots(renderer, brightness, poses, joints, matrices)):
                writer.images[i] = shot.images
                if writer.depth is not None:
                    writer.depth[i] = shot.depth[:, :: config.supersample, :: config.supersample]
                joints_2d[i], visible[i] = _seen(renderer, take, shot, poses[i, 0], joints[i], near)
        makes = sensors.random_makes(rng) if job.varied else ()
        streams = sensors.sense_all(rng, take.tracks, epoch_ns, *makes)
        sensed = [sensors.at_frames(streams[d], stamps) for d in DEVICES]
        writer.commit(
            {
                "timestamps_ns": stamps,
                "joints_world": joints,
                "joints_2d": joints_2d,
                "visible": visible,
                "T_world_cam_left": poses[:, 0] @ rig.left.T_head_cam,
                "T_world_device": poses,
                "leg_acceleration": np.stack(
                    [take.tracks.acceleration(d, times) for d in (3, 4)], axis=1
                ),
                "sensed_position": np.stack(
                    [s[0] if d < 3 else np.zeros((T, 3)) for d, s in enumerate(sensed)], axis=1
                ),
                "sensed_orientation": np.stack([s[1] for s in sensed], axis=1),
                "sensed_acceleration": np.stack([sensed[3][0], sensed[4][0]], axis=1),
                "sensed_valid": np.stack([s[2] for s in sensed], axis=1),
            },
            streams,
            {
                "meta": _meta(config, job, motion, take, T) | {"made_of": dict(made_of)},
                "rig": miscalibrated(rng, rig).to_dict(),
                "rig_true": rig.to_dict(),
            },
        )


def _random_look(rng: np.random.Generator, fps: float) -> "ImageLook":
    from same_model.synth.render.renderer import ImageLook

    return ImageLook(
        gamma=float(rng.uniform(0.6, 1.0)),
        vignetting=float(rng.uniform(0.3, 1.2)),
        shutter=float(rng.uniform(0.03, 0.3)) * fps / 30.0,
        black_level=float(rng.uniform(0.0, 8.0)),
    )


def _frame_times(
    rng: np.random.Generator, end_s: float, fps: float
) -> tuple[NDArray[np.float64], int]:
    """When frames are taken, seconds into the motion, and the device's clock at its start, ns.

    Frames start late and end early enough for every stream to have samples around them.
    """
    margin_s = 0.05
    span = end_s - 2 * margin_s
    times = margin_s + np.arange(int(span * fps) + 1) / fps
    times = times + rng.normal(0.0, 0.00005, len(times))
    return times, int(rng.integers(10**9, 10**13))


def _device_poses(
    tracks: sensors.DeviceTracks, times_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``T_world_device`` (T, 5, 4, 4)."""
    poses = np.tile(np.eye(4), (len(times_s), len(DEVICES), 1, 1))
    for d in range(len(DEVICES)):
        position, orientation = tracks.at(d, times_s)
        poses[:, d, :3, :3] = Rotation.from_quat(orientation).as_matrix()
        poses[:, d, :3, 3] = position
    return poses


def _meta(
    config: SynthConfig, job: Job, motion: Motion, take: Take, frames: int
) -> dict[str, object]:
    return {
        "source": motion.name.split("_v")[0],
        "source_frames": list(motion.source_frames),
        "upper_body": job.upper_body.clip_name if job.upper_body else None,
        "upper_body_performer": job.upper_body.performer if job.upper_body else None,
        "action": job.action,
        "performer": job.performer,
        "stature_m": round(take.motion.body.stature_m, 4),
        "split": job.split,
        "split_version": job.split_label,
        "seed": config.seed,
        "config": asdict(config),
        "config_digest": config.digest,
        "frames": frames,
        "licence": f"Motion: {job.credit}. Body: CC0. Images and sensor readings: synthetic.",
    }


def _shots(
    renderer: "Renderer",
    brightness: float,
    poses: NDArray[np.float64],
    joints: NDArray[np.float64],
    matrices: NDArray[np.float64],
) -> Iterator["Rendered"]:
    """What the cameras see of each frame, with an auto-exposure that aims at ``brightness``."""
    gain = 1.0
    for i in range(len(joints)):
        moving = np.concatenate([matrices[i], poses[i, 1:, :3]])
        shot = renderer.render(moving, poses[i, 0], joints[i], gain)
        ideal = brightness / max(renderer.mean_brightness, 1e-3)
        if i == 0:  # settled on the first frame, then slow
            gain = ideal
            shot = renderer.render(moving, poses[i, 0], joints[i], gain)
        gain += 0.1 * (ideal - gain)
        yield shot


def _seen(
    renderer: "Renderer",
    take: Take,
    shot: "Rendered",
    T_world_head: NDArray[np.float64],
    joints: NDArray[np.float64],
    near: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Pixels (2, 22, 2) of world ``joints`` (22, 3) and whether they show, (2, 22)."""
    from same_model.synth.render._shading import first_box
    from same_model.synth.render.renderer import visible_joints

    joints_2d = np.empty((2, len(JOINT_NAMES), 2))
    distance = np.empty((2, len(JOINT_NAMES)))
    inside = np.empty((2, len(JOINT_NAMES)), bool)
    box = np.empty((2, len(JOINT_NAMES)))
    for view, camera in enumerate(renderer.rig.cameras):
        T_world_cam = T_world_head @ camera.T_head_cam
        local = (joints - T_world_cam[:3, 3]) @ T_world_cam[:3, :3]
        joints_2d[view], inside[view] = camera.project(local)
        distance[view] = np.linalg.norm(local, axis=1)
        toward = (joints - T_world_cam[:3, 3]) / distance[view][:, None]
        for j in range(len(JOINT_NAMES)):
            box[view, j] = first_box(*T_world_cam[:3, 3], *toward[j], take.place.boxes, np.inf)[0]
    weights = take.mesh.weight_frames
    return joints_2d, visible_joints(shot, renderer.faces, weights, distance, inside, box, near)


def _at_times(
    motion: BodyMotion, times_s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Joints (T, 22, 3) and skinning matrices (T, 22, 3, 4) at any times."""
    source = np.arange(motion.frames) / motion.fps
    rotations = interpolate_rotations(source, motion.rotations_xyzw, times_s)
    pelvis = CubicSpline(source, motion.joints[:, 0])(times_s)
    joints = pose_joints(motion.body, pelvis, rotations)
    return joints, joint_matrices(motion.body, joints, rotations)


def run_job(config: SynthConfig, job: Job, out: Path, mcap: bool = False) -> JobResult:
    """Make all sequences of a job that are not there yet.

    A clip that cannot be used makes none, and its report says why. Raises ``DataError`` for a full
    disk or a sequence made with other settings or of something else.
    """
    result, missing, made_of = open_job(config, job, out, mcap)
    made = 0
    for motion, path in missing:
        make_sequence(config, job, motion, path, made_of)
        made += finish_recording(path, mcap)
    return replace(result, made=made)


_stopping = threading.Event()


def _run_in_worker(config: SynthConfig, job: Job, out: Path, mcap: bool) -> JobResult:
    """``run_job``, stopped by Ctrl-C; an idle worker ignores it and waits for its parent."""
    # The pool hands a worker one more job after it was interrupted.
    if _stopping.is_set():
        raise KeyboardInterrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return run_job(config, job, out, mcap)
    except KeyboardInterrupt:
        _stopping.set()
        raise
    finally:
        ignore_interrupts()


def run_jobs(
    config: SynthConfig, jobs: list[Job], out: Path, workers: int, mcap: bool = False
) -> Iterator[JobResult]:
    """Run all jobs, on ``workers`` processes, yielding each result as it comes.

    Stopping early is safe: complete sequences stay, the others are made by the next run.
    Raises the first error after cancelling what has not begun.
    """
    if workers < 1:
        raise DataError(f"workers: expected at least 1, got {workers}")
    remove_partial_files(out, recursive=True)
    if workers == 1:
        for job in jobs:
            yield run_job(config, job, out, mcap)
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=begin_worker)
    try:
        waiting = {pool.submit(_run_in_worker, config, job, out, mcap) for job in jobs}
        for future in as_completed(waiting):
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def write_summary(
    out: Path, config: SynthConfig, split: SplitFile, reports: list[MotionReport]
) -> None:
    """Write ``dataset.json``: settings, the split's confounds, what was kept of each clip."""
    content = {
        "config": asdict(config),
        "split": split.label,
        "confounds": list(split.confounds),
        "excluded": {c.clip: c.split for c in split.excluded},
        "motion": [asdict(r) for r in sorted(reports, key=lambda r: r.name)],
    }
    with told_disk(DataError, f"{out}/dataset.json"):
        replace_file(Path(out) / "dataset.json", json.dumps(content, indent=1).encode())
