"""The README is true: its example runs, its commands exist, its links lead somewhere."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from same_runtime.cli.track import TrackCommand, track
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import FRAME_STREAM, Recording

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def demo_driver(frames: int) -> Iterator[tuple]:
    """The shipped recording, in the shape of the README's ``read_headset``."""
    newest: dict[str, tuple] = {}
    for sample in Recording(demo_recording()).samples():
        if sample.stream != FRAME_STREAM:
            newest[sample.stream] = tuple(sample.value)
            continue
        if len(newest) < 5 + 1:  # five devices and the truth
            continue
        yield (
            sample.timestamp_ns,
            sample.value.left,
            sample.value.right,
            newest["head"],
            (newest["ctrl_left"], newest["ctrl_right"]),
            (newest["leg_left"], newest["leg_right"]),
        )
        frames -= 1
        if not frames:
            return


def test_the_app_example_runs_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(code.strip().splitlines()) <= 15
    exec(code, {"read_headset": lambda: demo_driver(40)})
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 40
    assert lines[-1].startswith("VALID")


def test_the_demo_tracks_well_and_draws(tmp_path: Path) -> None:
    track(TrackCommand(demo=True, preview=True, out=tmp_path))
    poses = np.load(tmp_path / "poses.npz")
    truth = [s.value for s in Recording(demo_recording()).samples(("truth",))]
    error_mm = 1e3 * np.linalg.norm(poses["joints_world"] - truth, axis=-1)
    assert poses["joints_world"].shape[1:] == (22, 3) and len(truth) >= 300
    assert (poses["status"][32:] == "VALID").all()
    assert error_mm[32:].mean() < 100.0, "far worse than the model card says"
    for name in ("poses.csv", "poses.mcap", "preview.png", "preview.gif"):
        assert (tmp_path / name).stat().st_size > 1000


def test_the_shipped_bundle_is_whole() -> None:
    from same_engines import Bundle

    Bundle.open(demo_bundle()).verify()


def test_every_command_of_the_readme_exists() -> None:
    commands = set(re.findall(r"^\$ (same-[a-z]+|make)", README, re.MULTILINE))
    assert {"make", "same-export", "same-track"} <= commands
    for command in commands:
        assert shutil.which(command) or command != "make" and _declared(command), command


def _declared(command: str) -> bool:
    return f"\n{command} = " in (ROOT / "pyproject.toml").read_text()


def test_every_local_link_and_named_folder_exists() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    for folder in re.findall(r"^\| `([a-z_]+)/` \|", README, re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder
