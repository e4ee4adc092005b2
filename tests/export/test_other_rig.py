"""``same-export BUNDLE --rig RIG --out NEW``: the same bundle with other default cameras."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from without_torch import same_export

from same_engines import Bundle
from same_engines.bundle.signature import SIGNATURE_NAME
from same_engines.errors import BundleError, SameError
from same_export.cli import ExportCommand, export
from same_export.other_rig import write_with_rig
from same_runtime.camera import CameraRig
from same_runtime.tracker import SamePoseTracker


@pytest.fixture
def rig(small_rig: CameraRig) -> CameraRig:
    """Another one than the tiny bundle's."""
    return replace(small_rig, left=replace(small_rig.left, fx=small_rig.left.fx + 7))


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "tiny.same"))
    (folder / "targets" / "some").mkdir(parents=True)
    (folder / "targets" / "some" / "plans.json").write_text("plans")
    (folder / "targets" / ".some.lock").touch()
    (folder / "README.md").write_text("about it")
    (folder / SIGNATURE_NAME).write_text("of this one")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_only_the_cameras_change_and_pytorch_is_not_needed(
    bundle: Path, rig: CameraRig, tmp_path: Path
) -> None:
    before, out = contents(bundle), tmp_path / "new.same"
    (tmp_path / "rig.json").write_text(json.dumps(rig.to_dict()))
    rig_file = str(tmp_path / "rig.json")
    made = same_export(str(bundle), "--rig", rig_file, "--out", str(out), "--quiet")
    assert made.returncode == 0, made.stderr
    assert f"bundle: {out}, with the cameras of" in " ".join(made.stdout.split())
    assert f"no longer signed; do it again: same-export {out} --sign KEY.pem" in made.stderr
    assert contents(bundle) == before
    old, new = Bundle.open(bundle), Bundle.open(out)
    new.verify()
    expected = json.loads(json.dumps(rig.to_dict()))
    assert new.manifest.rig == expected != old.manifest.rig
    assert replace(new.manifest, rig=old.manifest.rig) == old.manifest
    left = ("manifest.json", SIGNATURE_NAME, "targets/.some.lock")
    kept = {name: content for name, content in before.items() if name not in left}
    assert contents(out) == {**kept, "manifest.json": (out / "manifest.json").read_bytes()}
    with SamePoseTracker(out) as tracker:
        assert tracker.rig.to_dict() == rig.to_dict()


def test_a_damaged_bundle_or_rig_leaves_nothing(
    bundle: Path, rig: CameraRig, tmp_path: Path
) -> None:
    out, rig_file = tmp_path / "new.same", tmp_path / "rig.json"
    command = ExportCommand(bundle, rig=rig_file, out=out)
    with pytest.raises(SameError, match=r"--rig .*rig\.json: cannot be read"):
        export(command)
    rig_file.write_text("{}")
    with pytest.raises(SameError, match=r"--rig .*rig\.json: .*expected"):
        export(command)
    rig_file.write_text(json.dumps(CameraRig(rig.right, rig.left).to_dict()))
    with pytest.raises(SameError, match=r"--rig .*rig\.json: .*swapped"):
        export(command)
    rig_file.write_text(json.dumps(rig.to_dict()))
    (bundle / "fusion.onnx").write_bytes(b"damaged")
    with pytest.raises(BundleError, match="SHA-256"):
        export(command)
    assert {file.name for file in tmp_path.iterdir()} == {bundle.name, rig_file.name}


def test_a_file_of_the_bundle_that_cannot_be_read_is_named(
    bundle: Path, rig: CameraRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreadable = str(bundle / "README.md")
    opened = os.open

    def refuse(path: str | os.PathLike[str], *arguments: int, **named: int) -> int:
        if os.fspath(path) == unreadable:
            raise PermissionError(13, "Permission denied", unreadable)
        return opened(path, *arguments, **named)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(BundleError) as told:
        write_with_rig(Bundle.open(bundle), rig, tmp_path / "new.same")
    assert str(told.value) == f"{unreadable}: cannot be read (Permission denied)"
    assert list(tmp_path.iterdir()) == [bundle]


def test_what_does_not_go_together_is_refused(bundle: Path, rig: CameraRig, tmp_path: Path) -> None:
    rig_file = tmp_path / "rig.json"
    rig_file.write_text(json.dumps(rig.to_dict()))
    before = contents(tmp_path)
    for command, said in (
        (ExportCommand(bundle, rig=rig_file), "takes --rig and --out together"),
        (ExportCommand(bundle, out=tmp_path / "new.same"), "takes --rig and --out together"),
        (ExportCommand(bundle, rig=rig_file, out=bundle), "a place apart from the bundle"),
        (ExportCommand(bundle, rig=rig_file, out=bundle / "b"), "a place apart from the bundle"),
        (ExportCommand(bundle, rig=rig_file, out=rig_file), "a place apart from --rig"),
    ):
        with pytest.raises(SameError, match=said):
            export(command)
    (tmp_path / "thesis").mkdir()
    with pytest.raises(SameError, match="exists and is not a bundle"):
        write_with_rig(Bundle.open(bundle), rig, tmp_path / "thesis")
    assert contents(tmp_path) == before
