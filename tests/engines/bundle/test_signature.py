"""An application that names the keys it trusts opens what these signed, and nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from same_engines import Bundle
from same_engines.bundle.manifest import MANIFEST_NAME, canonical_sha256
from same_engines.bundle.signature import SIGNATURE_NAME, check_signature, sign_bundle
from same_engines.errors import BundleError, ExportError, InvalidInputError
from same_runtime.tracker import SamePoseTracker

pytest.importorskip("cryptography", reason="needs pip install .[signing]")
from signing_key import write_key


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "key.pem")


@pytest.fixture
def folder(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy.same"))


def test_a_signed_bundle_opens_with_its_key(folder: Path, key: Path) -> None:
    public = sign_bundle(Bundle.open(folder), key)
    with SamePoseTracker(folder, None, "onnxruntime", trusted_keys=["0" * 64, public.upper()]):
        pass
    with SamePoseTracker(folder, None, "onnxruntime"):
        pass


def change_manifest(folder: Path) -> None:
    content = json.loads((folder / MANIFEST_NAME).read_bytes())
    del content["manifest_sha256"]
    content["preset"] = "other"
    content["manifest_sha256"] = canonical_sha256(content)
    (folder / MANIFEST_NAME).write_text(json.dumps(content))


def change_signature(folder: Path) -> None:
    content = json.loads((folder / SIGNATURE_NAME).read_bytes())
    content["signature"] = "00" + content["signature"][2:]
    (folder / SIGNATURE_NAME).write_text(json.dumps(content))


def forge_digest(folder: Path) -> None:
    change_manifest(folder)
    other = Bundle.open(folder)
    content = json.loads((folder / SIGNATURE_NAME).read_bytes())
    content["files"][MANIFEST_NAME] = other.manifest_file_sha256
    (folder / SIGNATURE_NAME).write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (change_manifest, "changed after it was signed"),
        (change_signature, "does not fit"),
        (forge_digest, "does not fit"),
        (lambda folder: (folder / SIGNATURE_NAME).unlink(), "not signed"),
        (lambda folder: (folder / SIGNATURE_NAME).write_text("{"), "damaged"),
        (lambda folder: (folder / SIGNATURE_NAME).write_text('{"files": []}'), "damaged"),
    ],
)
def test_whatever_was_changed_is_refused(
    folder: Path, key: Path, change: Callable[[Path], object], match: str
) -> None:
    public = sign_bundle(Bundle.open(folder), key)
    change(folder)
    with pytest.raises(BundleError, match=match):
        SamePoseTracker(folder, trusted_keys=[public])


def test_another_key_is_refused(folder: Path, key: Path, tmp_path: Path) -> None:
    public = sign_bundle(Bundle.open(folder), key)
    assert public != sign_bundle(Bundle.open(folder), write_key(tmp_path / "other.pem"))
    with pytest.raises(BundleError, match="none of the trusted keys"):
        check_signature(Bundle.open(folder), [public])
    with pytest.raises(BundleError, match="none of the trusted keys"):
        check_signature(Bundle.open(folder), [])


@pytest.mark.parametrize("keys", ["0" * 64, [5], ["xyz"], ["g" * 64], 7])
def test_what_is_no_key_is_named(folder: Path, keys: object) -> None:
    with pytest.raises(InvalidInputError, match="trusted_keys: expected"):
        check_signature(Bundle.open(folder), keys)  # type: ignore[arg-type]


def test_what_is_no_private_key_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    for path, match in ((tmp_path / "junk.pem", "openssl genpkey"), (tmp_path, "cannot be read")):
        with pytest.raises(ExportError, match=match):
            sign_bundle(Bundle.open(folder), path)
    assert not (folder / SIGNATURE_NAME).exists()


def test_the_command_signs_and_prints_the_key(
    folder: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from same_export.cli import ExportCommand, export

    export(ExportCommand(bundle=folder, sign=key))
    public = capsys.readouterr().out.split()[-1]
    check_signature(Bundle.open(folder), [public])
    export(ExportCommand(source=folder, sign=key, json=True))
    said = json.loads(capsys.readouterr().out)
    assert said["signed_by"] == public and said["precisions"] == ["fp32", "fp16"]
    assert said["bundle"] == str(folder) and said["parity"]["fp32"]["stream_frames"] > 0


def test_a_key_that_is_none_is_found_before_the_work(
    folder: Path, key: Path, tmp_path: Path
) -> None:
    from same_export.cli import ExportCommand, export

    sign_bundle(Bundle.open(folder), key)
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    checkpoint = tmp_path / "m.safetensors"
    checkpoint.write_bytes(b"no checkpoint, which is not looked at")
    for command in (
        ExportCommand(checkpoint, out=folder, sign=tmp_path / "absent.pem"),
        ExportCommand(folder, target="cpu-int8", sign=tmp_path / "absent.pem"),
    ):
        with pytest.raises(ExportError, match=r"--sign .*absent\.pem: cannot be read"):
            export(command)
    assert before == {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}


def test_a_signature_that_no_longer_fits_is_told(
    folder: Path, key: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from same_export import cli

    monkeypatch.setattr(cli, "_add_int8", lambda bundle, command: None)
    sign_bundle(Bundle.open(folder), key)
    cli.export(cli.ExportCommand(folder, target="cpu-int8"))
    assert caplog.messages == [], "it came out as it was"
    monkeypatch.setattr(cli, "_add_int8", lambda bundle, command: change_manifest(bundle.path))
    cli.export(cli.ExportCommand(folder, target="cpu-int8"))
    (told,) = caplog.records
    assert told.levelname == "WARNING", "--quiet leaves it"
    assert told.getMessage() == (
        f"no longer signed; do it again: same-export {folder} --sign KEY.pem"
    )
    caplog.clear()
    cli.export(cli.ExportCommand(folder, target="cpu-int8", sign=key))
    assert caplog.messages == []
