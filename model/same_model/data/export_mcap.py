"""A synthetic sequence as an MCAP recording, for replay through the tracker."""

from pathlib import Path

import numpy as np

from same_model.data.noise import add_sensor_noise
from same_model.data.sequence import open_sequence
from same_runtime.conventions import DEVICES
from same_runtime.recording import RecordingWriter
from same_runtime.samples import DevicePose, LegReading, StereoFrame


def export_mcap(
    sequence_path: Path,
    mcap_path: Path,
    max_frames: int | None = None,
    jpeg_quality: int | None = None,
) -> None:
    """Write a sequence folder's images, device streams and truth, merged in order of time.

    Images get the sensor noise that sequence folders leave out (the same at every export). The
    rig in the file is the one an application would have. ``jpeg_quality``: None stores the
    images lossless. Raises ``DataError`` for a
    damaged folder and ``RecordingError`` when the file cannot be written.
    """
    sequence = open_sequence(sequence_path)
    frames = sequence.frames if max_frames is None else min(max_frames, sequence.frames)
    end_ns = int(sequence.timestamps_ns[frames - 1])
    # At equal times samples go before the frame that wants them.
    events = [(int(t), 1, "frame", i) for i, t in enumerate(sequence.timestamps_ns[:frames])]
    for device in DEVICES:
        stamps = sequence.streams[device].timestamp_ns
        events += [(int(t), 0, device, i) for i, t in enumerate(stamps) if t <= end_ns + 50_000_000]
    noise, images = np.random.default_rng(0), sequence.images
    with RecordingWriter(mcap_path, sequence.rig, jpeg_quality) as writer:
        for stamp, _, what, i in sorted(events):
            if what == "frame":
                left, right = add_sensor_noise(images[i], noise)
                writer.write_frame(StereoFrame(stamp, left, right))
                writer.write_truth(stamp, sequence.joints_world[i].astype("float64"))
                continue
            stream = sequence.streams[what]
            orientation = stream.orientation_xyzw[i]
            if stream.position is not None:
                writer.write_pose(what, stamp, DevicePose(stream.position[i], orientation))
            elif stream.acceleration is not None:
                writer.write_leg(what, stamp, LegReading(orientation, stream.acceleration[i]))
