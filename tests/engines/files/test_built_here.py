"""Native code runs only where this user built it: plans and kept kernels of others are left."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from same_engines import Bundle
from same_engines.bundle.manifest import STAGES
from same_engines.bundle.plans import (
    PORTABLE,
    PlanKey,
    Plans,
    PlanSpec,
    plan_bytes,
    plan_path,
    read_plans,
    write_plans,
)
from same_engines.compiled_files import CompiledFile, KernelKey
from same_engines.errors import BundleError
from same_engines.files.built_here import ALLOW_VARIABLE, note_built, was_built_here

TARGET = "tensorrt-rtx"
KEY = KernelKey("a" * 64, "1", "gpu", "driver")
posix = pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX owners and modes")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("SAME_CACHE_DIR", str(folder))
    monkeypatch.delenv(ALLOW_VARIABLE, raising=False)
    return folder


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Bundle:
    bundle = Bundle.open(shutil.copytree(tiny_bundle, tmp_path / "copy.same"))
    contents, specs = {}, []
    for stage in STAGES:
        content = f"native code of {stage}".encode()
        path = plan_path(stage, "plugin", content)
        contents[path] = content
        graph = bundle.graph("fp32", stage).sha256
        digest = hashlib.sha256(content).hexdigest()
        specs.append(PlanSpec("fp32", "plugin", stage, graph, 0, path, digest))
    write_plans(bundle, Plans(PlanKey(TARGET, "1", PORTABLE), tuple(specs)), contents)
    return bundle


def load(bundle: Bundle) -> bytes:
    plans = read_plans(bundle, TARGET)
    assert plans is not None
    return plan_bytes(bundle, TARGET, plans.plans[0], plans.is_signed)


def test_a_plan_runs_where_it_was_built_and_nowhere_else(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(bundle).startswith(b"native code")
    monkeypatch.setenv("SAME_CACHE_DIR", str(tmp_path / "another-users"))
    with pytest.raises(BundleError, match="not built by this user on this machine"):
        load(bundle)
    monkeypatch.setenv(ALLOW_VARIABLE, "1")
    assert load(bundle)


def test_a_trusted_signature_stands_for_building(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cryptography", reason="needs pip install .[signing]")
    from signing_key import write_key

    from same_engines.bundle.signature import check_signature, sign_bundle

    public = sign_bundle(bundle, write_key(tmp_path / "key.pem"))
    monkeypatch.setenv("SAME_CACHE_DIR", str(tmp_path / "another-users"))
    again = Bundle.open(bundle.path)
    check_signature(again, [public])
    assert load(again)
    index = bundle.path / "targets" / TARGET / "plans.json"
    index.write_bytes(index.read_bytes() + b"\n")
    again = Bundle.open(bundle.path)
    check_signature(again, [public])
    with pytest.raises(BundleError, match="not built by this user"):
        load(again)


@posix
def test_a_folder_that_others_can_write_to_says_nothing(cache: Path) -> None:
    note_built("a" * 64)
    assert was_built_here("a" * 64) and not was_built_here("b" * 64)
    assert not was_built_here("../" + "a" * 61)
    assert cache.stat().st_mode & 0o077 == 0
    assert (cache / "built-here" / ("a" * 64)).stat().st_mode & 0o077 == 0
    cache.chmod(0o777)
    assert not was_built_here("a" * 64)


@posix
def test_a_link_in_the_place_of_the_folder_is_not_followed(cache: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    cache.mkdir()
    (cache / "built-here").symlink_to(elsewhere)
    note_built("a" * 64)
    assert not list(elsewhere.iterdir()) and not was_built_here("a" * 64)
    kernels = tmp_path / "kernels"
    kernels.symlink_to(elsewhere)
    CompiledFile(kernels, KEY).write(b"code")
    assert not list(elsewhere.iterdir())


@posix
def test_kept_kernels_that_others_could_write_are_compiled_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "kernels"
    file = CompiledFile(folder, KEY)
    file.write(b"code")
    assert file.read() == b"code"
    file.path.chmod(0o666)
    assert file.read() is None and "other users can write to it" in caplog.text
    file.path.chmod(0o600)
    folder.chmod(0o777)
    assert file.read() is None
    folder.chmod(0o700)
    assert file.read() == b"code"
