"""Short videos of an evaluation: truth and estimate drawn into both eyes and seen from outside."""

from pathlib import Path

import numpy as np

from same_engines.atomic_files import whole_file
from same_engines.errors import DataError
from same_model.data.sequence import SequenceReader
from same_model.evaluation.predict import PredictedPoses
from same_runtime.cli.draw_pose import draw_frame, with_legend
from same_runtime.pose import Pose, PoseStatus
from same_runtime.recording.replay import ReplayedFrame
from same_runtime.samples import StereoFrame

_FRAME_MS = 100


def write_video(
    sequence: SequenceReader, poses: PredictedPoses, path: Path, seconds: float = 6.0
) -> None:
    """An animated WebP of the first ``seconds`` of ``poses``, ten frames a second.

    The cameras are the true ones, so that a wrongly sensed head shows as an error too. Raises
    ``DataError`` when the file cannot be written.
    """
    stamps = np.asarray(sequence.timestamps_ns)[poses.frames]
    wanted = np.arange(stamps[0], min(stamps[-1], stamps[0] + seconds * 1e9) + 1, _FRAME_MS * 1e6)
    rows = np.unique(np.searchsorted(stamps, wanted.astype(np.int64)).clip(max=len(stamps) - 1))
    strips = []
    for row in rows:
        frame, joints = poses.frames[row], poses.joints_world[row]
        T = np.asarray(sequence.T_world_cam_left[frame], np.float64)
        left, right = np.array(sequence.images[frame])
        pose = Pose(
            int(stamps[row]),
            PoseStatus.VALID,
            joints_world=joints,
            joints_cam_left=(joints - T[:3, 3]) @ T[:3, :3],
            T_world_cam_left=T,
            latency_ns=1,
        )
        truth = np.asarray(sequence.joints_world[frame], np.float64)
        shown = ReplayedFrame(StereoFrame(int(stamps[row]), left, right), pose, truth)
        strips.append(with_legend(draw_frame(shown, sequence.rig_true)))
    try:
        with whole_file(path) as partial:
            strips[0].save(
                partial,
                "WEBP",
                save_all=True,
                append_images=strips[1:],
                duration=_FRAME_MS,
                loop=0,
                quality=60,
                method=2,
            )
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None
