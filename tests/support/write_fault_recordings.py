"""Write a made-up recording with every fault of the table, for ``cpp/stress/tracker_faults.cpp``.

python write_fault_recordings.py FOLDER
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from recordings import write_made_up
from small_rig import make_small_rig

from same_runtime.camera import CameraRig
from same_runtime.recording import Recording
from same_runtime.recording.faults import FAULTS, inject

sys.path.append(str(Path(__file__).resolve().parents[2] / "examples" / "native"))
from write_raw import write_raw

SECONDS = 9.0
"""Longer than the longest fault."""


def write_fault_recordings(folder: Path) -> None:
    """``clean.raw`` and one file a fault, of two cameras of 64 x 48 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    small = make_small_rig()
    rig = CameraRig(
        *(replace(camera, width=64, height=48, fx=20.0, fy=20.0) for camera in small.cameras)
    )
    with tempfile.TemporaryDirectory() as made:
        recording = Recording(write_made_up(Path(made) / "clean.mcap", rig, SECONDS))
        write_raw(recording.samples(), rig, folder / "clean.raw")
        for fault in FAULTS:
            write_raw(inject(recording.samples(), fault), rig, folder / f"{fault}.raw")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    write_fault_recordings(Path(sys.argv[1]))
