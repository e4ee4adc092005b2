"""Recordings that other tools wrote or that were damaged: read rightly, or one RecordingError."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_mcap import encoded, gradient, image_message, write_mcap
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.writer import IndexType
from PIL import Image

from same_engines.errors import RecordingError
from same_runtime.camera import CameraRig
from same_runtime.recording import Recording
from same_runtime.samples import StereoFrame

POSE = {
    "pose": {
        "position": {"x": 1.0, "y": 2, "z": 3.5},
        "orientation": {"x": 0, "y": 0, "z": 0, "w": 1},
    }
}
IMAGE = image_message(encoded(Image.fromarray(gradient())))


def read(path: Path) -> list[Any]:
    return list(Recording(path).samples())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "r.mcap"


def poses(count: int) -> list[tuple[str, int, int, Any]]:
    return [("/device/head", 1000 + n, 1000 + n, POSE) for n in range(count)]


def test_a_truncated_recording_is_called_so(path: Path) -> None:
    content = write_mcap(path, poses(50)).read_bytes()
    for keep in (9, 40, 300, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:keep])
        with pytest.raises(RecordingError, match="truncated.*mcap recover"):
            Recording(path)


@pytest.mark.parametrize(
    "options",
    [
        {"index_types": IndexType.NONE},
        {"index_types": IndexType.ALL & ~IndexType.METADATA},
        {"use_statistics": False},
        {"repeat_channels": False, "repeat_schemas": False},
        {"use_chunking": False},
        {
            "use_summary_offsets": False,
            "use_statistics": False,
            "repeat_channels": False,
            "repeat_schemas": False,
            "index_types": IndexType.NONE,
        },
    ],
    ids=str,
)
def test_the_index_is_optional(path: Path, small_rig: CameraRig, options: dict[str, Any]) -> None:
    recording = Recording(write_mcap(path, poses(5), small_rig, **options))
    assert recording.rig is not None
    assert recording.message_counts == {"/device/head": 5}
    assert (recording.start_ns, recording.end_ns) == (1000, 1004)
    assert [sample.timestamp_ns for sample in recording.samples()] == list(range(1000, 1005))


def test_another_tools_recording_names_its_encoding(path: Path) -> None:
    write_mcap(path, [("/imu", 1, 1, b"\0\1\0\0")], about={}, encoding="cdr")
    with pytest.raises(RecordingError, match="no metadata record 'same.recording'.*are cdr"):
        Recording(path)


@pytest.mark.parametrize("encoding", ["cdr", "protobuf"])
def test_a_known_topic_in_another_encoding_is_named(path: Path, encoding: str) -> None:
    write_mcap(path, [("/device/head", 1, 1, b"\0\1\0\0")], encoding=encoding)
    with pytest.raises(RecordingError, match=f"/device/head holds '{encoding}' messages.*JSON"):
        Recording(path)


def test_writers_without_publish_times_keep_every_sample(path: Path, small_rig: CameraRig) -> None:
    stamped = {**POSE, "timestamp": {"sec": 3, "nsec": 7}}
    image = {**IMAGE, "timestamp": {"sec": 4, "nsec": 0}}
    write_mcap(
        path,
        [
            ("/device/head", 10, 0, POSE),
            ("/device/head", 20, 0, POSE),
            ("/device/head", 30, 0, stamped),
            ("/camera/left", 40, 0, image),
            ("/camera/right", 41, 0, image),
        ],
        small_rig,
    )
    came = read(path)
    assert [(s.timestamp_ns, s.arrival_ns) for s in came] == [
        (10, 10),
        (20, 20),
        (3_000_000_007, 30),
        (4_000_000_000, 41),
    ]
    assert came[3].value.left is not None and came[3].value.right is not None


def test_two_images_of_one_camera_and_time_are_two_frames(path: Path, small_rig: CameraRig) -> None:
    write_mcap(path, [("/camera/left", 1, 1, IMAGE), ("/camera/left", 2, 1, IMAGE)], small_rig)
    frames = [sample.value for sample in read(path)]
    assert len(frames) == 2 and all(isinstance(frame, StereoFrame) for frame in frames)


def test_a_16_bit_recording_is_the_same_picture(path: Path, small_rig: CameraRig) -> None:
    deep = image_message(encoded(Image.fromarray(gradient().astype(np.uint16) * 257)))
    write_mcap(path, [("/camera/left", 1, 1, deep)], small_rig)
    (sample,) = read(path)
    np.testing.assert_array_equal(sample.value.left, gradient())


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("rig", "said"),
    [
        (nested(100_000), "nested too deep"),
        ("{", "bad rig"),
        ("[1, 2]", "expected cameras"),
        ('{"left": {}, "right": {}}', "missing"),
        (lambda r: r["left"].update(fx=10**400), "fx: expected a finite number"),
        (lambda r: r["left"].update(width=10**400), "width: .*1329 bits"),
        (lambda r: r["left"].update(width=127.5), "width: expected a whole number"),
        (lambda r: r["left"].update(width="128"), "width: expected a whole number"),
        (lambda r: r["left"].update(width=True), "width: expected a whole number"),
        (lambda r: r["left"].update(k=[10**400, 0, 0, 0]), "k .*expected numbers"),
        (lambda r: r["left"].update(k=["0", "0", "0", "0"]), "k .*expected numbers"),
        (lambda r: r["left"]["T_head_cam"][0].__setitem__(0, float("nan")), "finite"),
        (lambda r: r["left"].update(T_head_cam=[[1, 0], [0]]), "T_head_cam"),
    ],
)
def test_bad_rigs_are_recording_errors(
    path: Path, small_rig: CameraRig, rig: Any, said: str
) -> None:
    if callable(rig):
        content = json.loads(json.dumps(small_rig.to_dict()))
        rig(content)
        rig = json.dumps(content)
    write_mcap(path, [], about={"format_version": "1", "rig": rig})
    with pytest.raises(RecordingError, match=f"bad rig: .*{said}|{said}"):
        Recording(path)


def test_whole_numbers_with_a_point_are_whole(path: Path, small_rig: CameraRig) -> None:
    content = small_rig.to_dict()
    content["left"]["width"] = content["right"]["width"] = 128.0
    write_mcap(path, [], about={"format_version": "1", "rig": json.dumps(content)})
    rig = Recording(path).rig
    assert rig is not None and type(rig.left.width) is int and rig.left.width == 128


@pytest.mark.parametrize(
    ("topic", "content", "said"),
    [
        ("/device/head", b"\xff\xfe", "message 0"),
        ("/device/head", b"not json", "message 0"),
        ("/device/head", nested(100_000).encode(), "nested too deep"),
        ("/device/head", [1], "wrong type"),
        ("/device/head", {"pose": {"position": {"x": 1}}}, "no field 'y'"),
        ("/device/head", {"pose": {"position": [1, 2, 3]}}, "wrong type"),
        ("/device/leg_left", POSE["pose"], "no field 'linear_acceleration'"),
        ("/device/head", json.loads(json.dumps(POSE).replace("3.5", '"3.5"')), "expected numbers"),
        ("/device/head", json.loads(json.dumps(POSE).replace("3.5", "1" * 400)), "numbers"),
        ("/truth/joints", {"positions": [[1, 2, 3]]}, r"\(22, 3\)"),
        ("/truth/joints", {"positions": [[True] * 3] * 22}, "expected numbers"),
        ("/truth/joints", {"positions": [["1"] * 3] * 22}, "expected numbers"),
        ("/camera/left", {"data": 7}, "wrong type"),
        ("/camera/left", {"data": "?"}, "message 0"),
        ("/camera/left", image_message(b"junk"), "cannot be decoded"),
        ("/camera/left", image_message(encoded(Image.new("L", (64, 64)))), "64x64, but the rig"),
        ("/camera/left", {**IMAGE, "timestamp": {"sec": -1, "nsec": 0}}, "timestamp.sec"),
        ("/camera/left", {**IMAGE, "timestamp": {"sec": 0, "nsec": 10**9}}, "timestamp.nsec"),
        ("/camera/left", {**IMAGE, "timestamp": {"sec": 1e30, "nsec": 0}}, "timestamp.sec"),
        ("/camera/left", {**IMAGE, "timestamp": 5}, "wrong type"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_messages_are_recording_errors_that_name_them(
    path: Path, small_rig: CameraRig, topic: str, content: Any, said: str
) -> None:
    write_mcap(path, [(topic, 1, 0, content)], small_rig)
    with pytest.raises(RecordingError, match=f"{topic}: .*{said}"):
        read(path)


@pytest.mark.parametrize(("log", "publish"), [(2**64 - 1, 1), (1, 2**63)])
def test_absurd_times_are_named(path: Path, log: int, publish: int) -> None:
    write_mcap(path, [("/device/head", log, publish, POSE)])
    with pytest.raises(RecordingError, match="(log|publish) time: expected a whole number"):
        read(path)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(RecordingError, match="not a regular file"):
            Recording(tmp_path / name)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                (
                    "pose",
                    "position",
                    "orientation",
                    "x",
                    "y",
                    "z",
                    "w",
                    "timestamp",
                    "sec",
                    "nsec",
                    "data",
                    "positions",
                    "linear_acceleration",
                )
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    topic=st.sampled_from(("/device/head", "/device/leg_left", "/camera/left", "/truth/joints")),
    content=values,
    times=st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
)
def test_any_message_is_read_or_a_recording_error(
    path: Path, small_rig: CameraRig, topic: str, content: Any, times: tuple[int, int]
) -> None:
    write_mcap(path, [(topic, *times, content)], small_rig)
    with suppress(RecordingError):
        assert len(read(path)) == 1
