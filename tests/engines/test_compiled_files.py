"""Kernels compiled just in time are kept across starts, and never trusted or needed."""

import hashlib
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fake_tensorrt import FakeTensorRt

from same_engines import Bundle
from same_engines.bundle.plans import PORTABLE, PlanKey
from same_engines.compiled_files import CompiledFile, KernelKey, cache_folder
from same_engines.files.built_here import note_built, was_built_here
from same_engines.processes import process_space
from same_engines.tensorrt.engine import TensorRtStage, kernel_files

KEY = KernelKey("a" * 64, "1.7.1", "RTX 4090 sm_89", "13000")


@pytest.fixture
def fake(tiny_bundle: Path) -> FakeTensorRt:
    return FakeTensorRt(Bundle.open(tiny_bundle).graph("fp32", "temporal"))


def opened(fake: FakeTensorRt, folder: Path) -> TensorRtStage:
    file = CompiledFile(folder, KEY)
    return TensorRtStage(fake.library, b"plan", fake.spec, "tensorrt-rtx temporal", file)


def test_kernels_are_compiled_once_and_read_at_the_next_start(
    fake: FakeTensorRt, tmp_path: Path
) -> None:
    for _ in range(3):
        stage = opened(fake, tmp_path / "cache")
        assert fake.contexts[-1].settings.cache is not None
        stage.keep_kernels()
        stage.close()
    assert fake.compilations == 1
    (file,) = (tmp_path / "cache").iterdir()
    assert file == CompiledFile(tmp_path / "cache", KEY).path
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0
    content = file.read_bytes()
    assert hashlib.sha256(content[32:]).digest() == content[:32]
    assert fake.contexts[-1].settings.cache.content == content[32:]


@pytest.mark.skipif(sys.platform == "win32", reason="no umask there")
@pytest.mark.parametrize("umask", [0o002, 0o000])
def test_what_is_kept_is_read_again_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    former = os.umask(umask)
    try:
        file = CompiledFile(tmp_path / "cache", KEY)
        file.write(b"kernels")
    finally:
        os.umask(former)
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.read() == b"kernels"


def test_what_killed_processes_left_goes_with_the_next_write(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(0o700)
    left = tmp_path / "cache" / f".a.kernels.{2**31 - 1}.{process_space()}0f.partial"
    at_work_elsewhere = tmp_path / "cache" / f".a.kernels.{2**31 - 1}.0f.partial"
    for half in (left, at_work_elsewhere):
        half.write_bytes(b"half")
    file = CompiledFile(tmp_path / "cache", KEY)
    file.write(b"kernels")
    assert set((tmp_path / "cache").iterdir()) == {file.path, at_work_elsewhere}


@pytest.mark.parametrize("changed", ["plan_sha256", "library_version", "gpu", "driver"])
def test_another_plan_library_gpu_or_driver_has_another_file(tmp_path: Path, changed: str) -> None:
    other = replace(KEY, **{changed: "other"})
    assert CompiledFile(tmp_path, other).path != CompiledFile(tmp_path, KEY).path


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[:-1] + b"?", "its SHA-256 does not match"),
        (lambda content: content[:40], "its SHA-256 does not match"),
        (lambda content: content[:32], "it has 32 bytes"),
        (lambda content: b"", "it has 0 bytes"),
    ],
)
def test_damaged_kernels_are_announced_and_compiled_again(
    fake: FakeTensorRt, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage, said: str
) -> None:
    opened(fake, tmp_path).keep_kernels()
    path = CompiledFile(tmp_path, KEY).path
    good = path.read_bytes()
    path.write_bytes(damage(good))
    with caplog.at_level(logging.WARNING, "same"):
        stage = opened(fake, tmp_path)
    assert f"kept kernels are ignored and compiled again: {path}: {said}" in caplog.text
    assert fake.contexts[-1].settings.cache.content == b""
    stage.keep_kernels()
    assert path.read_bytes() == good


def test_a_file_of_absurd_size_is_not_read(
    fake: FakeTensorRt, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with CompiledFile(tmp_path, KEY).path.open("wb") as file:
        file.truncate(1 << 30)  # takes no space
    assert CompiledFile(tmp_path, KEY).read() is None
    assert "it has 1073741824 bytes" in caplog.text


def test_kernels_that_the_library_refuses_are_announced_and_replaced(
    fake: FakeTensorRt, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened(fake, tmp_path).keep_kernels()
    fake.machine = b"machine B;"
    stage = opened(fake, tmp_path)
    assert "runtime cache: of another machine" in caplog.text
    stage.keep_kernels()
    assert CompiledFile(tmp_path, KEY).read() == b"machine B;kernels"


def test_links_are_not_followed(fake: FakeTensorRt, tmp_path: Path) -> None:
    opened(fake, tmp_path / "theirs").keep_kernels()
    (tmp_path / "ours").mkdir()
    path = CompiledFile(tmp_path / "ours", KEY).path
    path.symlink_to(CompiledFile(tmp_path / "theirs", KEY).path)
    assert CompiledFile(tmp_path / "ours", KEY).read() is None


def test_a_folder_that_cannot_be_written_stops_nothing(
    fake: FakeTensorRt, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    opened(fake, tmp_path / "file" / "cache").keep_kernels()
    assert "compiled kernels are not kept" in caplog.text


def test_a_library_that_cannot_give_its_kernels_stops_nothing(
    fake: FakeTensorRt, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake.serialize_raises = True
    opened(fake, tmp_path).keep_kernels()
    assert "keeping the kernels of tensorrt-rtx temporal failed: no current context" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_files_go(tmp_path: Path) -> None:
    keys = [replace(KEY, plan_sha256=str(index)) for index in range(70)]
    for key in keys[:64]:
        CompiledFile(tmp_path, key).write(b"kernels")
    assert CompiledFile(tmp_path, keys[0]).read() is not None  # used just now
    for key in keys[64:]:
        CompiledFile(tmp_path, key).write(b"kernels")
    kept = {file.name for file in tmp_path.iterdir()}
    assert len(kept) == 64
    assert CompiledFile(tmp_path, keys[0]).path.name in kept
    assert CompiledFile(tmp_path, keys[1]).path.name not in kept


def test_only_portable_plans_have_their_kernels_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    class Device:
        name, driver = "RTX 4090 sm_89", "13000"

    plans = {"visual": b"one", "fusion": b"two"}
    files = kernel_files(PlanKey("tensorrt-rtx", "1.7", PORTABLE), plans, Device())
    assert len({file.path for file in files.values()}) == 2
    assert kernel_files(PlanKey("tensorrt", "10.13", Device.name), plans, Device()) == {}


def test_stock_tensorrt_opens_without_a_cache(fake: FakeTensorRt) -> None:
    fake.target = "tensorrt"
    stage = TensorRtStage(fake.library, b"plan", fake.spec, "tensorrt temporal")
    assert fake.contexts[-1].settings is None
    stage.keep_kernels()


@pytest.mark.skipif(sys.platform == "win32", reason="the folder is another one there")
def test_the_cache_is_the_users_and_can_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAME_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_folder() == Path("/home/someone/.cache/same-runtime")
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache_folder() == Path("/elsewhere/same-runtime")
    monkeypatch.setenv("SAME_CACHE_DIR", "/named")
    assert cache_folder() == Path("/named")


def test_a_user_without_a_home_folder_does_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("SAME_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    file = CompiledFile(cache_folder(), KEY)
    with caplog.at_level(logging.WARNING, "same"):
        file.write(b"kernels")
        note_built("a" * 64)
    assert file.read() is None and not was_built_here("a" * 64)
    for told in ("compiled kernels are not kept", "plans will be built again"):
        assert f"{told}: this user has no home folder; name one" in caplog.text
