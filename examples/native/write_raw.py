"""Write a recording as the raw file that the native examples read.

python write_raw.py RECORDING.mcap OUT.raw [FRAMES]
"""

import struct
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from same_runtime.camera import CameraRig
from same_runtime.conventions import DEVICES, VIEWS
from same_runtime.recording import Recording
from same_runtime.recording.mcap_format import RawLegReading, RawPose, RecordedSample
from same_runtime.samples import StereoFrame

_FRAME = 5


def write_raw(
    samples: Iterable[RecordedSample], rig: CameraRig, out: Path, frames: int | None = None
) -> None:
    """Samples in the order in which they arrived, up to and with so many frames; see
    raw_recording.h."""
    written = 0
    with out.open("wb") as file:
        file.write(b"SAMERAW1")
        for camera in rig.cameras:
            file.write(struct.pack("<ii", camera.width, camera.height))
            lens = [camera.fx, camera.fy, camera.cx, camera.cy, *camera.k]
            numbers = [*lens, *camera.T_head_cam.ravel(), camera.max_incidence]
            file.write(np.array(numbers, "<f8").tobytes())
        for sample in samples:
            value = sample.value
            kind, there, images = _FRAME, 0, []
            numbers = np.zeros(10)
            if isinstance(value, StereoFrame):
                images = [getattr(value, view) for view in VIEWS]
                there = sum((image is not None) << view for view, image in enumerate(images))
            elif isinstance(value, RawPose):
                kind = DEVICES.index(sample.stream)
                numbers[:7] = [*value.position, *value.orientation_xyzw]
            elif isinstance(value, RawLegReading):
                kind = DEVICES.index(sample.stream)
                numbers[3:] = [*value.orientation_xyzw, *value.acceleration]
            else:
                continue  # the truth
            file.write(struct.pack("<IIqq", kind, there, sample.timestamp_ns, sample.arrival_ns))
            file.write(numbers.astype("<f8").tobytes())
            for image in images:
                if image is not None:
                    file.write(np.ascontiguousarray(image).tobytes())
            written += kind == _FRAME
            if written == frames:
                return


def main() -> None:
    if len(sys.argv) not in (3, 4):
        raise SystemExit(__doc__)
    recording = Recording(Path(sys.argv[1]))
    if recording.rig is None:
        raise SystemExit(f"{recording.path}: it has no cameras")
    write_raw(recording.samples(), recording.rig, Path(sys.argv[2]), *map(int, sys.argv[3:]))


if __name__ == "__main__":
    main()
