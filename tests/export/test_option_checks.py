"""``same-export`` refuses what would do nothing, and places that are needed for something else."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from same_engines.errors import SameError
from same_export.cli import ExportCommand, export
from same_export.option_checks import check_apart


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"operator": "both"},
            "--operator: does nothing without --target tensorrt-rtx or tensorrt",
        ),
        ({"check_frames": 3}, "--check-frames: does nothing without --target qnn-"),
        ({"check_frames": 0, "target": "cpu-int8"}, "--check-frames: does nothing without"),
        ({"calibration_frames": 5}, "--calibration-frames: does nothing without --target cpu-int8"),
        (
            {"calibration_recording": Path("r.mcap"), "target": "tensorrt-rtx"},
            "--calibration-recording: does nothing without --target cpu-int8",
        ),
    ],
)
@pytest.mark.parametrize("source", ["model.safetensors", "model.same"])
def test_an_option_without_effect_is_refused(
    tmp_path: Path, source: str, changes: dict[str, object], said: str
) -> None:
    command = ExportCommand(tmp_path / source, sign=tmp_path / "key.pem")
    with pytest.raises(SameError, match=said):
        export(replace(command, **changes))


@pytest.mark.parametrize(
    "changes", [{"precision": "fp16"}, {"preset": "lite"}, {"operator": "standard"}], ids=str
)
def test_signing_and_rebuilding_take_nothing_of_an_export(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    bundle = tmp_path / "model.same"
    with pytest.raises(SameError, match="does nothing without"):
        export(replace(ExportCommand(bundle, sign=tmp_path / "key.pem"), **changes))
    rebuilding = ExportCommand(bundle, delta=tmp_path / "m.delta", out=tmp_path / "m.safetensors")
    with pytest.raises(SameError, match="and nothing else"):
        export(replace(rebuilding, **changes))


def test_nothing_is_written_over_what_is_read(tmp_path: Path, tiny_bundle: Path) -> None:
    checkpoint, bundle = tmp_path / "m.safetensors", tmp_path / "m.same"
    checkpoint.write_bytes(b"precious")
    (tmp_path / "link.safetensors").symlink_to(checkpoint)
    shutil.copytree(tiny_bundle, bundle)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    key = bundle / "key.pem"
    for command in (
        ExportCommand(checkpoint, delta=checkpoint),
        ExportCommand(checkpoint, delta=tmp_path / "." / "m.same" / ".." / "m.safetensors"),
        ExportCommand(checkpoint, delta=tmp_path / "link.safetensors"),
        ExportCommand(checkpoint, delta=bundle / "manifest.json"),
        ExportCommand(checkpoint, delta=tmp_path / "new", out=tmp_path / "new"),
        ExportCommand(checkpoint, delta=tmp_path / "k", sign=tmp_path / "k"),
        ExportCommand(checkpoint, sign=key),
        ExportCommand(checkpoint, out=checkpoint),
        ExportCommand(checkpoint, out=tmp_path),
        ExportCommand(bundle, delta=checkpoint, out=checkpoint),
        ExportCommand(bundle, delta=tmp_path / "d", out=bundle / "m.safetensors"),
    ):
        with pytest.raises(SameError, match=r": expected a place apart from .*; name another"):
            export(command)
    assert before == {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}


def test_what_only_lies_beside_is_apart(tmp_path: Path) -> None:
    check_apart({"--out": tmp_path / "m.same", "--delta": None}, {"it": tmp_path / "m.same.pt"})
