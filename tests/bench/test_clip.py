"""A recording, decoded for the benchmark."""

from pathlib import Path

from same_bench.measuring.clip import load_clip
from same_engines import Bundle
from same_runtime.recording import RawLegReading, RawPose, Recording, RecordingWriter
from same_runtime.samples import StereoFrame


def test_images_that_come_apart_are_one_frame(
    recording: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    together = Recording(recording)
    with RecordingWriter(tmp_path / "apart.mcap", together.rig) as apart:
        for sample in together.samples():
            at_ns, value = sample.timestamp_ns, sample.value
            if isinstance(value, StereoFrame):
                apart.write_frame(StereoFrame(at_ns, value.left, None))
                apart.write_frame(StereoFrame(at_ns + 1_000_000, None, value.right))
            elif isinstance(value, RawPose):
                apart.write_pose(sample.stream, at_ns, value)
            elif isinstance(value, RawLegReading):
                apart.write_leg(sample.stream, at_ns, value)
    bundle = Bundle.open(tiny_bundle)
    clips = [load_clip(Recording(path), bundle) for path in (recording, tmp_path / "apart.mcap")]
    assert len(clips[0].images) == len(clips[1].images)
    for left, right in clips[1].images:
        assert left is not None and right is not None
