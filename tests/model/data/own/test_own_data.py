"""Data of one's own: from arrays as the page shows, from recordings, and what the check finds."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from recordings import write_made_up
from tiny_sequence import write_sequence

from same_engines.errors import DataError, SameError
from same_model.cli import data as cli
from same_model.data import sequence as sequences
from same_model.data.device_stream import DeviceStream
from same_model.data.export_mcap import export_mcap
from same_model.data.own.check import check_sequence
from same_model.data.own.from_arrays import write_own_sequence
from same_model.data.own.from_mcap import import_mcap
from same_model.data.sequence import SequenceReader, find_sequences, open_sequence
from same_model.synth.motion.splits import PARTS
from same_runtime.camera import CameraRig
from same_runtime.conventions import DEVICES
from same_runtime.recording import Recording

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "own_data.md").read_text()
KNEE_UNKNOWN = np.where(np.arange(22)[:, None] == 4, np.nan, 0.0)


@pytest.fixture
def good(tmp_path: Path, small_rig: CameraRig) -> Path:
    write_sequence(tmp_path / "good", small_rig, 20)
    assert check_sequence(tmp_path / "good") == []
    return tmp_path / "good"


def test_the_pages_example_writes_what_it_was_given(good: Path, tmp_path: Path) -> None:
    source = open_sequence(good)
    devices = {
        name: (
            stream.timestamp_ns,
            stream.orientation_xyzw,
            stream.acceleration if stream.position is None else stream.position,
        )
        for name, stream in source.streams.items()
    }
    mine = SimpleNamespace(
        rig=source.rig,
        times_ns=source.timestamps_ns,
        images=source.images,
        joints=source.joints_world,
        devices=devices,
    )
    _, code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    out = tmp_path / "mine"
    exec(code, {"load_my_recording": lambda: mine, "out": out})
    made = open_sequence(out)
    assert made.meta["performer"] == "anna" and set(made.streams) == set(DEVICES)
    for name in ("images", "timestamps_ns", "joints_world", "sensed_valid"):
        assert np.array_equal(getattr(made, name), getattr(source, name)), name
    # Where a leg sensor is nobody knows, only how it turns.
    assert made.T_world_device[:, :3] == pytest.approx(source.T_world_device[:, :3], abs=1e-2)
    for name in ("T_world_cam_left", "joints_2d", "sensed_orientation"):
        assert getattr(made, name) == pytest.approx(getattr(source, name), abs=1e-2), name


def test_the_pages_recording_is_one(
    small_rig: CameraRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    image = np.zeros((small_rig.left.height, small_rig.left.width), np.uint8)
    monkeypatch.chdir(tmp_path)
    given = {"rig": small_rig, "time_ns": 10**9, "left": image, "right": image}
    sensed = {
        "position": (0.0, 1.6, 0.0),
        "orientation_xyzw": (0.0, 0.0, 0.0, 1.0),
        "acceleration": (0.0, 0.0, 0.0),
    }
    exec(code, {**given, **sensed})
    streams = {sample.stream for sample in Recording(tmp_path / "mine.mcap").samples()}
    assert streams == {"head", "leg_left", "frame"}


def test_the_page_lists_the_format_as_it_is() -> None:
    rows = dict(re.findall(r"^\| `(\w+)\.npy`[^|]*\| \(T,? ?([^)]*)\) \w+ \|", PAGE, re.MULTILINE))
    arrays = {**sequences._ARRAYS, **sequences._OPTIONAL_ARRAYS}
    assert set(rows) == set(arrays)
    for name, (dtype, shape) in arrays.items():
        assert f") {dtype} |" in next(row for row in PAGE.splitlines() if f"`{name}.npy`" in row)
        said = [part for part in rows[name].replace("H, W", "0, 0").split(", ") if part]
        assert [int(part) for part in said] == [size or 0 for size in shape], name


def test_a_recording_becomes_a_sequence(small_rig: CameraRig, tmp_path: Path) -> None:
    path = write_made_up(tmp_path / "made-up.mcap", small_rig, 1.0)
    made, left_out = import_mcap(Recording(path), tmp_path / "data", performer="bob")
    assert made.frames + left_out == Recording(path).num_frames
    truth = {s.timestamp_ns: s.value for s in Recording(path).samples(("truth",))}
    for stamp, joints in zip(made.timestamps_ns.tolist(), made.joints_world, strict=True):
        assert joints == pytest.approx(truth[stamp], abs=1e-5)
    # The same joints as an annotation in a file of their own.
    joints_file = tmp_path / "joints.npz"
    np.savez(joints_file, timestamp_ns=list(truth), joints_world=np.stack(list(truth.values())))
    again, _ = import_mcap(Recording(path), tmp_path / "again", joints_file)
    assert np.array_equal(again.joints_world, made.joints_world)


def test_a_recording_that_the_check_refuses_is_not_written(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So the corrected command has its folder to itself."""
    recording, out = tmp_path / "good.mcap", tmp_path / "data" / "mine"
    export_mcap(good, recording)
    source = open_sequence(good)
    command = ["from-mcap", str(recording), "--out", str(out), "--joints"]
    for name, factor in (("mm", 1000.0), ("m", 1.0)):
        joints = factor * source.joints_world
        np.savez(tmp_path / name, timestamp_ns=source.timestamps_ns, joints_world=joints)
    assert cli.main([*command, str(tmp_path / "mm.npz")]) == 2
    said = capsys.readouterr().err
    assert f"{out}: not written: joints_world: the head is " in said and said.count("\n") == 1
    assert not any(out.parent.iterdir())
    assert cli.main([*command, str(tmp_path / "m.npz")]) == 0
    assert f"{open_sequence(out).frames} frames" in capsys.readouterr().out


def test_parts_that_nobody_knows_are_refused(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert get_args(get_type_hints(cli.FromMcap)["split"]) == PARTS
    assert set(get_args(get_type_hints(cli.Synth)["split"])) == {*PARTS, "all"}
    assert cli.main(["from-mcap", "x.mcap", "--out", str(tmp_path / "x"), "--split", "trian"]) == 2
    assert "protocol2" in capsys.readouterr().err
    with pytest.raises(DataError, match="split: expected one of train, .*withheld, got 'trian'"):
        write_again(tmp_path / "x", open_sequence(good), split="trian")
    meta = json.loads((good / "meta.json").read_text())
    (good / "meta.json").write_text(json.dumps(meta | {"split": "new/people"}))
    assert check_sequence(good) == [
        f"{good}: meta.json: split: expected one of train, validation, protocol1, protocol2, "
        "withheld"
    ]


@pytest.mark.parametrize(
    ("name", "to", "said"),
    [
        ("images", lambda a: (a / 255).astype(np.float32), "images: expected uint8, 0 to 255, got"),
        ("images", lambda a: a.astype(np.int16) * 2, "images: expected uint8, 0 to 255, got int16"),
        ("visible", lambda a: np.full((20, 2, 22), 0.4), "visible: expected 0 and 1 only"),
        ("visible", lambda a: np.ones((20, 22)), "visible: expected shape"),
    ],
)
def test_what_would_be_stored_as_something_else_is_refused(
    good: Path, tmp_path: Path, name: str, to, said: str
) -> None:
    source = open_sequence(good)
    with pytest.raises(DataError, match=said):
        write_again(tmp_path / "x", source, **{name: to(source.images)})
    assert list(tmp_path.iterdir()) == [good]


@pytest.mark.parametrize(("device", "field"), [("head", "position"), ("leg_left", "acceleration")])
def test_streams_that_are_not_finite_are_refused(
    good: Path, tmp_path: Path, device: str, field: str
) -> None:
    source = open_sequence(good)
    broken = getattr(source.streams[device], field) * np.nan
    streams = {**source.streams, device: replace(source.streams[device], **{field: broken})}
    with pytest.raises(DataError, match=f"streams: {device}: expected finite numbers"):
        write_again(tmp_path / "x", source, streams=streams)


def test_a_sequence_that_is_there_stays(small_rig: CameraRig, tmp_path: Path, good: Path) -> None:
    path = write_made_up(tmp_path / "made-up.mcap", small_rig, 0.5)
    before = sorted(path.name for path in good.iterdir())
    with pytest.raises(DataError, match="exists; name another folder"):
        import_mcap(Recording(path), good)
    assert sorted(path.name for path in good.iterdir()) == before and check_sequence(good) == []


def write_again(path: Path, source: SequenceReader, **changes: Any) -> SequenceReader:
    """``source`` as its owner would write it, with ``changes``."""
    given = {
        "rig": source.rig,
        "timestamps_ns": source.timestamps_ns,
        "images": source.images,
        "joints_world": source.joints_world,
        "streams": source.streams,
    }
    return write_own_sequence(path, **{**given, **changes})


def test_what_is_there_already_is_never_replaced(good: Path, tmp_path: Path) -> None:
    """The data set's folder in place of a new one in it would delete all that is in it."""
    source = open_sequence(good)
    write_again(tmp_path / "lab" / "a", source)
    for path in (tmp_path / "lab", tmp_path / "lab" / "a"):
        with pytest.raises(DataError, match="exists; name another folder, or remove it first"):
            write_again(path, source)
    assert find_sequences(tmp_path / "lab") == [tmp_path / "lab" / "a"]

    class Slow(list):
        def __iter__(self):
            write_again(tmp_path / "late", source)
            return super().__iter__()

    with pytest.raises(DataError, match="exists; name another folder"):
        write_again(tmp_path / "late", source, images=Slow(source.images))
    assert check_sequence(tmp_path / "late") == []


def test_a_sequence_made_without_images_shows_no_joint_and_is_good(good: Path) -> None:
    change(good, "visible", lambda a: a * 0)
    change(good, "images", lambda a: a * 0)
    meta = json.loads((good / "meta.json").read_text())
    (good / "meta.json").write_text(json.dumps(meta | {"config": {"render": False}}))
    assert check_sequence(good) == []


def test_people_may_lie_all_the_time(good: Path) -> None:
    change(good, "joints_world", lambda a: a - a[:, 15:16] * (0, 1, 0) + (0, 0.2, 0))
    assert [line for line in check_sequence(good) if "expected metres, y up" in line]
    change(good, "sensed_position", lambda a: a * (1, 0, 1) + (0, 0.2, 0))
    assert not [line for line in check_sequence(good) if "expected metres, y up" in line]


@pytest.mark.parametrize("lost", ["head", "truth"])
def test_frames_in_a_gap_of_the_head_or_the_annotation_are_left_out(
    lost: str, small_rig: CameraRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording(write_made_up(tmp_path / "made-up.mcap", small_rig, 2.0))
    whole, left_out = import_mcap(recording, tmp_path / "whole")
    begins, ends = (int(whole.timestamps_ns[0]) + ms * 1_000_000 for ms in (500, 1500))
    samples = recording.samples

    def with_a_gap(*wanted):
        for sample in samples(*wanted):
            if sample.stream != lost or not begins < sample.timestamp_ns < ends:
                yield sample

    monkeypatch.setattr(recording, "samples", with_a_gap)
    gappy, more_left_out = import_mcap(recording, tmp_path / "gappy")
    missing = sorted({*whole.timestamps_ns.tolist()} - {*gappy.timestamps_ns.tolist()})
    assert more_left_out - left_out == len(missing) > 10
    assert begins < missing[0] < begins + 2e8 and ends - 2e8 < missing[-1] < ends


def test_an_annotation_of_another_shape_is_refused(small_rig: CameraRig, tmp_path: Path) -> None:
    path = write_made_up(tmp_path / "made-up.mcap", small_rig, 0.5)
    np.savez(tmp_path / "j.npz", timestamp_ns=np.arange(3), joints_world=np.zeros((3, 24, 3)))
    with pytest.raises(DataError, match=r"expected shapes \(n,\) and \(n, 22, 3\)"):
        import_mcap(Recording(path), tmp_path / "out", tmp_path / "j.npz")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def annotated(good: Path, tmp_path: Path) -> tuple[Recording, np.ndarray, np.ndarray]:
    """A recording, and times and joints of an annotation of it."""
    export_mcap(good, tmp_path / "good.mcap")
    source = open_sequence(good)
    return Recording(tmp_path / "good.mcap"), source.timestamps_ns, source.joints_world


def imported(tmp_path: Path, recording: Recording, **arrays: np.ndarray):
    np.savez(tmp_path / "joints.npz", **arrays)
    return import_mcap(recording, tmp_path / "out", tmp_path / "joints.npz")


@pytest.mark.parametrize(
    ("to", "said"),
    [
        (lambda t: t / 1e9, r"timestamp_ns: expected integer nanoseconds, got float64 up to \d+"),
        (lambda t: t.astype("<U20"), "timestamp_ns: expected integer nanoseconds, got <U20$"),
        (lambda t: t * 1e20, r"timestamp_ns: expected nanoseconds below 2\*\*62, got 5e\+29$"),
        (
            lambda t: t.astype(np.uint64) + np.uint64(2**63),
            r"timestamp_ns: expected nanoseconds below 2\*\*62, got 9\.22337e\+18$",
        ),
        (
            lambda t: t + 10**15,
            r"joints span 10\d+\.\.10\d+ ns, frames 5\d+\.\.5\d+ ns: another",
        ),
        (lambda t: t - 10**12, r"joints span -\d+\.\.-\d+ ns, frames 5\d+\.\.5\d+ ns: another"),
        (lambda t: t[::-1], "joints.npz: timestamp_ns: expected times that rise"),
    ],
)
def test_times_that_are_not_the_recordings_are_named(annotated, tmp_path: Path, to, said) -> None:
    recording, times, joints = annotated
    with pytest.raises(DataError, match=said):
        imported(tmp_path, recording, timestamp_ns=to(times), joints_world=joints)


def test_frames_with_unknown_joints_are_left_out(annotated, tmp_path: Path) -> None:
    recording, times, joints = annotated
    joints = joints.copy()
    joints[7, 3, 1] = np.nan
    made, left_out = imported(
        tmp_path, recording, timestamp_ns=times.astype(float), joints_world=joints
    )
    assert left_out == 1 and times[7] not in made.timestamps_ns
    joints[:, 3] = np.nan
    with pytest.raises(DataError, match="every joint annotated: spine1 never finite"):
        imported(tmp_path / "good", recording, timestamp_ns=times, joints_world=joints)
    with pytest.raises(DataError, match="joints_world: expected numbers, got <U3"):
        imported(
            tmp_path / "good", recording, timestamp_ns=times, joints_world=joints.astype("<U3")
        )


@pytest.mark.parametrize(
    ("change_of", "said"),
    [
        (lambda s: {"rig": None}, "rig: expected CameraRig, got NoneType"),
        (lambda s: {"timestamps_ns": s.timestamps_ns / 1e9}, "timestamps_ns: expected integer n"),
        (lambda s: {"streams": {**s.streams, "head": None}}, "streams: head: expected DeviceStr"),
        (
            lambda s: {"streams": {**s.streams, "head": in_seconds(s.streams["head"])}},
            "streams: head: timestamp_ns: expected integer nanoseconds, got float64 up to 5",
        ),
        (
            lambda s: {"joints_world": s.joints_world + KNEE_UNKNOWN},
            "joints_world: expected finite metres, got nan at frame 0, left_knee",
        ),
    ],
)
def test_arrays_of_another_kind_are_named(good: Path, tmp_path: Path, change_of, said) -> None:
    source = open_sequence(good)
    with pytest.raises(SameError, match=said):
        write_again(tmp_path / "x", source, **change_of(source))
    assert list(tmp_path.iterdir()) == [good]


def in_seconds(stream: DeviceStream) -> DeviceStream:
    return replace(stream, timestamp_ns=stream.timestamp_ns / 1e9)


def change(folder: Path, name: str, to) -> None:
    array = np.load(folder / f"{name}.npy")
    np.save(folder / f"{name}.npy", np.asarray(to(array), array.dtype))


@pytest.mark.parametrize(
    ("name", "to", "said"),
    [
        ("joints_world", lambda a: 1000 * a, "expected metres"),
        ("joints_world", lambda a: a[..., [0, 2, 1]], "expected metres, y up"),
        ("joints_world", lambda a: a[:, ::-1], "joints_world"),
        ("joints_world", lambda a: a * np.nan, "not finite"),
        ("joints_world", lambda a: a[:-1], "its length differs"),
        ("joints_2d", lambda a: a[..., ::-1], "joints_2d: "),
        ("timestamps_ns", lambda a: a[::-1], "do not rise"),
        ("timestamps_ns", lambda a: a + 10**12, "another clock"),
        ("visible", lambda a: a * 0, "no joint is seen"),
        ("visible", lambda a: a + 1, "expected 0 and 1"),
        ("T_world_device", lambda a: 2 * a, "no rotations"),
        ("stream_leg_left_acceleration", lambda a: a + (0, 9.81, 0), "gravity is not removed"),
        ("stream_head_orientation_xyzw", lambda a: 2 * a, "not of length 1"),
        ("sensed_position", lambda a: a + 5.0, "from the head joint"),
        ("sensed_position", lambda a: a * np.nan, "sensed_position.npy: row 0 is not finite"),
        ("sensed_acceleration", lambda a: a * np.nan, "sensed_acceleration.npy: row 0 is not"),
        ("joints_2d", lambda a: a * np.nan, "joints_2d.npy: row 0 is not finite"),
        ("stream_head_position", lambda a: a * np.nan, "stream_head_position.npy: row 0 is not"),
        ("images", lambda a: a * 0, "images: left is black in every frame"),
        ("images", lambda a: a // 255, "images: right is black in every frame"),
    ],
)
def test_the_check_names_what_training_would_misread(
    good: Path, tmp_path: Path, name: str, to, said: str, capsys
) -> None:
    bad = Path(shutil.copytree(good, tmp_path / "data" / "bad"))
    change(bad, name, to)
    assert any(said in problem for problem in check_sequence(bad)), check_sequence(bad)
    assert cli.main(["check", str(tmp_path / "data"), "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["sequences"] == 1 and str(bad) in report["problems"][0]
