"""Recordings come back as they were written, or not at all."""

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from same_bench.measuring.made_up_stream import made_up_stream
from same_engines.errors import InvalidInputError, RecordingError
from same_runtime import DevicePose, LegReading, SamePoseTracker, StereoFrame
from same_runtime.camera import CameraRig
from same_runtime.conventions import LEG_DEVICES, POSE_DEVICES
from same_runtime.demo import demo_bundle
from same_runtime.recording import (
    FRAME_STREAM,
    TRUTH_STREAM,
    RawLegReading,
    RawPose,
    Recording,
    RecordingWriter,
)
from same_runtime.recording.mcap_format import RecordedSample
from same_runtime.recording.replay import ingest_sample


def write_stream(path: Path, rig: CameraRig, frames: int) -> None:
    with RecordingWriter(path, rig) as writer:
        for frame, imu in made_up_stream(rig, frames):
            for device in POSE_DEVICES:
                writer.write_pose(device, imu.timestamp_ns, getattr(imu, device))
            for device in LEG_DEVICES:
                writer.write_leg(device, imu.timestamp_ns, getattr(imu, device))
            writer.write_frame(frame)
            writer.write_truth(frame.timestamp_ns, np.full((22, 3), frame.timestamp_ns / 1e9))


def test_a_reading_of_another_kind_of_device_is_refused() -> None:
    pose = RawPose(np.array([0.1, 0.4, 0.0]), np.array([0.0, 0.0, 0.0, 1.0]))
    leg = RawLegReading(np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(3))
    with SamePoseTracker(demo_bundle()) as tracker:
        for stream, value in (("leg_left", pose), ("ctrl_left", leg), ("head", leg)):
            with pytest.raises(InvalidInputError, match=f"{stream}: holds"):
                ingest_sample(tracker.ingest, RecordedSample(stream, 10**9, value, 10**9))
        assert not any(stream.accepted for stream in tracker.stats().streams.values())


def test_everything_comes_back(tmp_path: Path, small_rig: CameraRig) -> None:
    path = tmp_path / "r.mcap"
    write_stream(path, small_rig, 3)
    recording = Recording(path)
    assert recording.rig is not None and recording.rig.to_dict() == small_rig.to_dict()
    assert recording.num_frames == 3
    samples = list(recording.samples())
    assert len(samples) == 3 * 7
    for index, (frame, imu) in enumerate(made_up_stream(small_rig, 3)):
        mine = {s.stream: s for s in samples if s.timestamp_ns == frame.timestamp_ns}
        np.testing.assert_array_equal(mine[FRAME_STREAM].value.left, frame.left)
        np.testing.assert_array_equal(mine[FRAME_STREAM].value.right, frame.right)
        np.testing.assert_array_equal(mine["head"].value.position, imu.head.position)
        np.testing.assert_array_equal(
            mine["leg_left"].value.acceleration, imu.leg_left.acceleration
        )
        assert mine[TRUTH_STREAM].value[0, 0] == pytest.approx(frame.timestamp_ns / 1e9), index
    only = {sample.stream for sample in recording.samples(("head", TRUTH_STREAM))}
    assert only == {"head", TRUTH_STREAM}


def test_every_driver_may_write_from_its_own_thread(tmp_path: Path) -> None:
    path, each = tmp_path / "r.mcap", 400
    pose, leg = RawPose(np.zeros(3), np.zeros(4)), RawLegReading(np.zeros(4), np.zeros(3))
    writer = RecordingWriter(path, None)

    def write(device: str) -> None:
        for index in range(each):
            if device in LEG_DEVICES:
                writer.write_leg(device, 10**9 + index, leg)
            else:
                writer.write_pose(device, 10**9 + index, pose)

    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(5) as drivers:
            list(drivers.map(write, (*POSE_DEVICES, *LEG_DEVICES)))
    finally:
        sys.setswitchinterval(usual_s)
    writer.close()
    came = Counter(sample.stream for sample in Recording(path).samples())
    assert came == dict.fromkeys((*POSE_DEVICES, *LEG_DEVICES), each)


def test_faulty_samples_are_kept_as_they_are(tmp_path: Path, small_rig: CameraRig) -> None:
    path = tmp_path / "r.mcap"
    with RecordingWriter(path, small_rig) as writer:
        writer.write_pose("head", 20, RawPose(np.full(3, np.nan), np.zeros(4)))
        writer.write_pose("head", 10, RawPose(np.zeros(3), np.zeros(4)), arrival_ns=30)
        writer.write_leg("leg_left", 30, RawLegReading(np.zeros(4), np.full(3, np.inf)))
    came = list(Recording(path).samples())
    assert [sample.timestamp_ns for sample in came] == [20, 10, 30]
    assert np.isnan(came[0].value.position).all()
    assert np.isinf(came[2].value.acceleration).all()


def test_an_image_without_its_partner_is_a_frame_with_one_view(
    tmp_path: Path, small_rig: CameraRig
) -> None:
    image = np.zeros((96, 128), np.uint8)
    path = tmp_path / "r.mcap"
    with RecordingWriter(path, small_rig) as writer:
        writer.write_frame(StereoFrame(1, image, None))
        writer.write_frame(StereoFrame(2, image, image))
        writer.write_frame(StereoFrame(3, None, image))
    frames = [sample.value for sample in Recording(path).samples()]
    assert [(f.left is not None, f.right is not None) for f in frames] == [
        (True, False),
        (True, True),
        (False, True),
    ]


def test_jpeg_recordings_are_smaller_and_close(tmp_path: Path, small_rig: CameraRig) -> None:
    frame, _ = next(made_up_stream(small_rig, 1))
    for name, quality in (("png", None), ("jpeg", 90)):
        with RecordingWriter(tmp_path / name, small_rig, jpeg_quality=quality) as writer:
            writer.write_frame(frame)
    lossy = next(Recording(tmp_path / "jpeg").samples()).value.left
    assert np.abs(lossy.astype(int) - frame.left).mean() < 6


def test_what_no_recording_can_be_made_with_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.mcap"
    for place in (".", tmp_path, "a\0b"):
        with pytest.raises(RecordingError, match="cannot be written .*; choose another place"):
            RecordingWriter(place, None)
    with pytest.raises(InvalidInputError, match="rig: expected CameraRig, got str"):
        RecordingWriter(path, "rig")  # type: ignore[arg-type]
    for quality in (0, 96, 90.5, "90"):
        with pytest.raises(InvalidInputError, match="jpeg_quality: expected a whole number from 1"):
            RecordingWriter(path, None, quality)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_an_interrupted_recording_leaves_nothing(tmp_path: Path, small_rig: CameraRig) -> None:
    with pytest.raises(KeyboardInterrupt), RecordingWriter(tmp_path / "r.mcap", small_rig):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_wrong_devices_and_shapes_are_named(tmp_path: Path, small_rig: CameraRig) -> None:
    pose = DevicePose((0, 0, 0), (0, 0, 0, 1))
    with RecordingWriter(tmp_path / "r.mcap", small_rig) as writer:
        with pytest.raises(InvalidInputError, match="expected one of"):
            writer.write_pose("leg_left", 1, pose)
        with pytest.raises(InvalidInputError, match=r"\(22, 3\)"):
            writer.write_truth(1, np.zeros((24, 3)))


def test_what_no_reader_would_take_is_refused(tmp_path: Path, small_rig: CameraRig) -> None:
    pose = DevicePose((0, 0, 0), (0, 0, 0, 1))
    right_size = np.zeros((small_rig.left.height, small_rig.left.width), np.uint8)
    with RecordingWriter(tmp_path / "r.mcap", small_rig) as writer:
        with pytest.raises(InvalidInputError, match=r"frame\.right: expected the rig's .* got"):
            writer.write_frame(StereoFrame(1, right_size, right_size[1:]))
        writer.write_pose("head", 1, pose)
        with pytest.raises(InvalidInputError, match="at most 24 hours in one recording, got 25"):
            writer.write_pose("head", 25 * 3600 * 10**9, pose)
        writer.write_frame(StereoFrame(2, right_size, right_size))
    assert [s.stream for s in Recording(tmp_path / "r.mcap").samples()] == ["head", "frame"]
    writer = RecordingWriter(tmp_path / "blind.mcap", None)
    with pytest.raises(InvalidInputError, match="this recording's rig is None"):
        writer.write_frame(StereoFrame(1, right_size, right_size))
    writer.discard()


def test_what_is_no_sample_is_refused_and_leaves_the_recording_whole(
    tmp_path: Path, small_rig: CameraRig
) -> None:
    leg = LegReading((0, 0, 0, 1), (0, 0, 0))
    with RecordingWriter(tmp_path / "r.mcap", small_rig) as writer:
        with pytest.raises(InvalidInputError, match="pose: expected DevicePose or RawPose"):
            writer.write_pose("head", 1, leg)  # type: ignore[arg-type]
        with pytest.raises(InvalidInputError, match="reading: expected LegReading"):
            writer.write_leg("leg_left", 1, None)  # type: ignore[arg-type]
        with pytest.raises(InvalidInputError, match="frame: expected StereoFrame, got tuple"):
            writer.write_frame((1, None, None))  # type: ignore[arg-type]
        writer.write_leg("leg_left", 1, leg)
    with pytest.raises(RecordingError, match=r"is closed; write before close\(\)"):
        writer.write_leg("leg_left", 2, leg)
    assert [s.stream for s in Recording(tmp_path / "r.mcap").samples()] == ["leg_left"]


def test_unreadable_files_are_refused(tmp_path: Path, small_rig: CameraRig) -> None:
    with pytest.raises(RecordingError, match="cannot be read"):
        Recording(tmp_path / "nothing.mcap")
    with pytest.raises(RecordingError, match="cannot be written"):
        RecordingWriter(tmp_path / "no" / "folder.mcap", small_rig)
    text = tmp_path / "notes.mcap"
    text.write_text("not an mcap file at all")
    with pytest.raises(RecordingError, match="not a readable recording"):
        Recording(text)


def test_damaged_recordings_raise_recording_errors_only(
    tmp_path: Path, small_rig: CameraRig
) -> None:
    good = tmp_path / "good.mcap"
    write_stream(good, small_rig, 2)
    content = good.read_bytes()
    bad = tmp_path / "bad.mcap"
    random = np.random.default_rng(0)
    damaged = [content[: int(n)] for n in random.integers(0, len(content), 20)]
    for at in random.integers(0, len(content), 60):
        flipped = bytearray(content)
        flipped[at] ^= 1 << int(random.integers(8))
        damaged.append(bytes(flipped))
    refused = 0
    for content in damaged:
        bad.write_bytes(content)
        try:
            list(Recording(bad).samples())
        except (RecordingError, InvalidInputError):
            refused += 1
    assert refused > 40, "most damage must be noticed"
