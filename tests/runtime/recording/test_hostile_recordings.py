"""Recordings that would take the reader's memory or time are refused before they can."""

import os
import struct
import threading
import time
from pathlib import Path

import pytest
import zstandard
from foreign_mcap import write_mcap
from mcap.writer import CompressionType

from same_engines.errors import RecordingError
from same_runtime.camera import CameraRig
from same_runtime.ingestion.inputs import Ingest
from same_runtime.recording import Recording
from same_runtime.recording.live_player import LivePlayer
from same_runtime.recording.mcap_format import RawPose, RecordedSample

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
POSE = {
    "pose": {
        "position": {"x": 0, "y": 1.6, "z": 0},
        "orientation": {"x": 0, "y": 0, "z": 0, "w": 1},
    }
}


@pytest.mark.parametrize("compression", [CompressionType.LZ4, CompressionType.ZSTD])
def test_a_chunk_that_unpacks_to_gigabytes_is_refused(
    compression: CompressionType, tmp_path: Path
) -> None:
    path = write_mcap(
        tmp_path / "r.mcap",
        [("/other", SECOND, SECOND, b"\0" * (80 << 20))],
        compression=compression,
        chunk_size=200 << 20,
    )
    assert path.stat().st_size < 2 << 20
    with pytest.raises(RecordingError, match="a chunk of over 64 MiB"):
        Recording(path)


def test_what_a_chunks_frame_says_of_itself_counts(tmp_path: Path) -> None:
    messages = [("/other", SECOND, SECOND, b"\0" * (80 << 20))]
    path = write_mcap(tmp_path / "r.mcap", messages, chunk_size=200 << 20)
    content = bytearray(path.read_bytes())
    at = content.index(b"\x04\0\0\0zstd") - 12
    content[at : at + 8] = struct.pack("<Q", 100)
    path.write_bytes(content)
    assert zstandard.frame_content_size(bytes(content[at + 28 : at + 60])) > 80 << 20
    with pytest.raises(RecordingError, match="a chunk of over 64 MiB"):
        Recording(path)


def test_a_record_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "r.mcap", [("/device/head", SECOND, SECOND, POSE)])
    content = bytearray(path.read_bytes())
    content[9:17] = struct.pack("<Q", 1 << 60)
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="past the end"):
        Recording(path)


@pytest.mark.parametrize("chunked", [True, False])
def test_a_span_of_years_is_refused(chunked: bool, tmp_path: Path, small_rig: CameraRig) -> None:
    times = [SECOND, 2 * SECOND, 3 * 365 * 24 * HOUR]
    path = write_mcap(
        tmp_path / "r.mcap",
        [("/device/head", at, at, POSE) for at in times],
        small_rig,
        use_chunking=chunked,
    )
    with pytest.raises(RecordingError, match="spans 26280 hours"):
        Recording(path)


def test_a_message_of_another_clock_is_refused(tmp_path: Path, small_rig: CameraRig) -> None:
    path = write_mcap(
        tmp_path / "r.mcap",
        [("/device/head", at, at, POSE) for at in (SECOND, 30 * HOUR)],
        small_rig,
    )
    recording = Recording.__new__(Recording)  # whose index says nothing of it
    recording.path, recording.rig, recording._is_indexed = path, small_rig, True
    recording.start_ns = SECOND
    with pytest.raises(RecordingError, match="arrives 30 hours from the start"):
        list(recording.samples())


class Deaf:
    """Takes every sample."""

    def head(self, *_: object) -> None:
        return None


def test_live_skips_what_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    value = RawPose(*(None, None))  # type: ignore[arg-type]
    samples = [RecordedSample("head", at, value, at) for at in (SECOND, 2 * HOUR)]
    player = LivePlayer(samples, SECOND, speed=1.0)
    ingest: Ingest = Deaf()  # type: ignore[assignment]
    began = time.monotonic()
    assert len(list(player.play(ingest))) == 2
    assert time.monotonic() - began < 60
    assert player.now_ns() >= 2 * HOUR
    assert "nothing recorded for 7199 s" in caplog.text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a system with FIFOs")
def test_a_fifo_does_not_hold_anybody_up(tmp_path: Path) -> None:
    path = tmp_path / "r.mcap"
    os.mkfifo(path)
    refused = threading.Event()

    def read() -> None:
        with pytest.raises(RecordingError, match="not a regular file"):
            Recording(path)
        refused.set()

    threading.Thread(target=read, daemon=True).start()
    assert refused.wait(30)


def test_folders_and_devices_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero"), tmp_path / "nowhere", Path("a\0b")):
        with pytest.raises(RecordingError):
            Recording(path)
