"""Other conversions of a take are found; other takes of the same kind are not."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skeleton_axes import own_axes

from same_engines.errors import DataError
from same_model.cli import data as cli
from same_model.synth.motion import leaks
from same_model.synth.motion.capture.joint_names import find_joints
from same_model.synth.motion.clip import (
    Motion,
    clean,
    interpolate_rotations,
    load_clip,
    read_skeleton,
)
from same_model.synth.motion.splits import SplitClip, load_split


def _angles(shared_data: Path, clip: str) -> Sequence[leaks.Angles]:
    path = shared_data / "cmu-mocap" / f"{clip}.bvh.xz"
    return [leaks.joint_angles(m) for m in load_clip(path)[0]]


def _resampled(motion: Motion, fps: float) -> Motion:
    """The same motion at another rate: linear positions, slerped rotations."""
    source = np.arange(motion.frames) / motion.fps
    count = int(np.floor(source[-1] * fps + 1e-9)) + 1
    target = np.arange(count) / fps
    hips = np.stack([np.interp(target, source, motion.hips_m[:, k]) for k in range(3)], axis=1)
    rotations = interpolate_rotations(source, motion.rotations_xyzw, target)
    return replace(motion, fps=fps, hips_m=hips, rotations_xyzw=rotations)


def _converted(shared_data: Path, clip: str, rng: np.random.Generator) -> Sequence[leaks.Angles]:
    """As another program might have it: other axes, trimmed, half the rate, called 30 Hz."""
    source = own_axes(read_skeleton(shared_data / "cmu-mocap" / f"{clip}.bvh.xz"), rng)
    source = replace(
        source,
        fps=30.0,
        root_positions=source.root_positions[24::2] * 2.54,
        offsets=source.offsets * 2.54,
        rotations_xyzw=source.rotations_xyzw[24::2],
    )
    motions, _ = clean(source, find_joints(source), clip, "")
    return [leaks.joint_angles(_resampled(m, 24.0).mirrored()) for m in motions]


def test_another_conversion_of_a_take_is_found_and_others_are_not(
    shared_data: Path, rng: np.random.Generator
) -> None:
    takes = ("08_02", "05_18", "14_07", "14_37")
    tests = {clip: _angles(shared_data, clip) for clip in takes}
    copies = {f"copy of {clip}": _converted(shared_data, clip, rng) for clip in takes}
    # The most alike of the clips that are trained on: another walker, another drinker.
    strangers = {clip: _angles(shared_data, clip) for clip in ("07_09", "07_11", "13_08", "13_10")}
    found = leaks.find_leaks(tests, {**copies, **strangers})
    assert {(leak.clip, leak.test_clip) for leak in found} == {
        (f"copy of {clip}", clip) for clip in takes
    }
    assert all(leak.residual < 0.3 for leak in found)


def test_a_split_that_leaks_is_refused_by_name(shared_data: Path) -> None:
    split = load_split()
    twins = {clip: _angles(shared_data, clip) for clip in ("14_31", "14_36")}
    leaks.check_split(split, twins)  # 14_36 is excluded
    wrong = replace(
        split,
        clips=(*split.clips, SplitClip("14_36", "perch", "train", "cmu-mocap", "someone")),
    )
    with pytest.raises(DataError, match="14_36 shows the take of 14_31"):
        leaks.check_split(wrong, twins)


@pytest.mark.slow
def test_the_shipped_split_does_not_leak(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(shared_data / name) for name in ("cmu-mocap", "motion")]
    assert cli.main(["check-split", *folders]) == 0
    said = capsys.readouterr().out
    absent = sum(c.source.endswith("-more") for c in load_split().clips)  # not among the shared
    assert f"no take of a protocol is trained on ({absent} clips were not there)" in said
