"""The README is true: its example runs, its commands exist, its links lead somewhere."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from same_runtime.cli.draw_pose import PANEL_WIDTH
from same_runtime.cli.track import TrackCommand, track
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import FRAME_STREAM, Recording

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def demo_driver(frames: int, lost: Callable[[int], set[str]] = lambda _: set()) -> Iterator[tuple]:
    """The shipped recording, in the shape of the README's ``read_headset``; what is ``lost`` in a
    frame is None."""
    newest: dict[str, tuple] = {}
    for sample in Recording(demo_recording()).samples():
        if sample.stream != FRAME_STREAM:
            newest[sample.stream] = tuple(sample.value)
            continue
        if len(newest) < 5 + 1:  # five devices and the truth
            continue
        now = {**newest, "left": sample.value.left, "right": sample.value.right}
        now |= dict.fromkeys(lost(frames))
        yield (
            sample.timestamp_ns,
            now["left"],
            now["right"],
            now["head"],
            (now["ctrl_left"], now["ctrl_right"]),
            (now["leg_left"], now["leg_right"]),
        )
        frames -= 1
        if not frames:
            return


def example() -> str:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(code.strip().splitlines()) <= 15
    return code


def test_the_app_example_runs_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    exec(example(), {"read_headset": lambda: demo_driver(40)})
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 40
    assert re.fullmatch(r"Pose\([\d.]+ s, VALID, pelvis \(.*\) m, head \(.*\) m\)", lines[-1])


def test_the_app_example_takes_none_for_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    parts = ["left", "right", "head", "ctrl_left", "ctrl_right", "leg_left", "leg_right"]
    exec(example(), {"read_headset": lambda: demo_driver(42, lambda n: {parts[n // 6 - 1]})})
    lines = capsys.readouterr().out.strip().splitlines()
    for reason in ("CAMERA_LOST", "HEAD_LOST", "CONTROLLER_LOST", "LEG_TRACKER_LOST"):
        assert any(reason in line for line in lines), reason
    assert len(lines) == 42


def test_the_moving_picture_is_small_and_shows_the_shipped_recording() -> None:
    path = ROOT / "docs" / "images" / "tracked.webp"
    assert f"]({path.relative_to(ROOT)})" in README[:500]
    assert path.stat().st_size < 1.5e6
    with Image.open(path) as picture:
        assert picture.n_frames > 50 and picture.width == 3 * PANEL_WIDTH


def test_the_demo_tracks_well_and_draws(tmp_path: Path) -> None:
    track(TrackCommand(demo=True, preview=True, out=tmp_path))
    poses = np.load(tmp_path / "poses.npz")
    truth = [s.value for s in Recording(demo_recording()).samples(("truth",))]
    error_mm = 1e3 * np.linalg.norm(poses["joints_world"] - truth, axis=-1)
    assert poses["joints_world"].shape[1:] == (22, 3) and len(truth) >= 300
    assert (poses["status"][32:] == "VALID").all()
    assert error_mm[32:].mean() < 100.0, "far worse than the model card says"
    for name in ("poses.csv", "poses.mcap", "preview.png", "preview.webp"):
        assert (tmp_path / name).stat().st_size > 1000


def test_the_accuracy_is_the_one_that_was_measured() -> None:
    results = ROOT / "benchmarks" / "results" / "model"
    measured = [
        json.loads((folder / "metrics.json").read_text())["protocols"][protocol]["metrics"]["mpjpe"]
        for folder, protocol in ((results, "protocol1"), (results / "protocol_model", "protocol2"))
    ]
    (said,) = re.findall(r"is (\d+) mm off on average [^.;]*; [^.;]*, (\d+) mm", README)
    assert [int(number) for number in said] == [round(number) for number in measured]
    straps = json.loads((results / "straps" / "metrics.json").read_text())
    (said,) = re.findall(r"straps are measured\]\([^)]*\) it is at (\d+) mm", README)
    assert int(said) == round(straps["protocols"]["protocol1"]["metrics"]["mpjpe"])


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


def test_a_line_that_sends_poses_names_the_extra_that_it_needs() -> None:
    sending = [line for line in README.splitlines() if line.startswith("$ ") and "--send" in line]
    assert sending and all("needs '.[xr]'" in line for line in sending)
