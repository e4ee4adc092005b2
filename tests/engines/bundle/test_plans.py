"""Plans survive other processes, crashes and damage: what is listed is what is there."""

import hashlib
import logging
import multiprocessing
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from same_engines import Bundle
from same_engines.bundle.manifest import STAGES
from same_engines.bundle.plans import (
    PORTABLE,
    PlanKey,
    Plans,
    PlanSpec,
    carry_plans,
    plan_bytes,
    plan_path,
    plans_lock,
    read_plans,
    write_plans,
)
from same_engines.errors import BundleError
from same_engines.tensorrt import engine as tensorrt_engine

RTX = "tensorrt-rtx"
KEY = PlanKey(RTX, "1.4", PORTABLE)


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Bundle:
    return Bundle.open(shutil.copytree(tiny_bundle, tmp_path / "tiny.same"))


def made(bundle: Bundle, precision: str = "fp32", salt: bytes = b"") -> tuple[Plans, dict]:
    """Plans as a library builds them: never twice the same bytes."""
    contents, specs = {}, []
    for stage in STAGES:
        content = stage.encode() + precision.encode() + salt + os.urandom(2000)
        path = plan_path(stage, "plugin", content)
        contents[path] = content
        graph, digest = bundle.graph(precision, stage).sha256, hashlib.sha256(content).hexdigest()
        specs.append(PlanSpec(precision, "plugin", stage, graph, 0, path, digest))
    return Plans(KEY, tuple(specs)), contents


def check(bundle: Bundle) -> Plans:
    """Everything listed is there, and nothing else."""
    plans = read_plans(bundle, RTX)
    assert plans is not None
    for plan in plans.plans:
        plan_bytes(bundle, RTX, plan)
    files = {file.name for file in (bundle.path / "targets" / RTX).iterdir()}
    assert files == {plan.path for plan in plans.plans} | {"plans.json"}
    return plans


def write_often(folder: Path, precision: str, times: int) -> None:
    bundle = Bundle.open(folder)
    for _ in range(times):
        write_plans(bundle, *made(bundle, precision))


def test_processes_that_write_at_once_leave_one_whole_set(bundle: Bundle) -> None:
    start = multiprocessing.get_context("spawn").Process
    writers = [
        start(target=write_often, args=(bundle.path, precision, 15))
        for precision in ("fp32", "fp32", "fp16")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    plans = check(bundle)
    assert {(plan.precision, plan.stage) for plan in plans.plans} == {
        (precision, stage) for precision in ("fp32", "fp16") for stage in STAGES
    }


def test_a_writer_stopped_before_its_index_leaves_the_former_plans(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plans(bundle, *made(bundle))
    before = check(bundle)
    from same_engines.bundle import plans as plans_module

    def full_disk(path: Path, content: bytes) -> None:
        if path.name == "plans.json":
            raise OSError(28, "No space left on device")
        replace_file(path, content)

    replace_file = plans_module.replace_file
    monkeypatch.setattr(plans_module, "replace_file", full_disk)
    with pytest.raises(BundleError, match="No space left"):
        write_plans(bundle, *made(bundle))
    monkeypatch.undo()
    assert read_plans(bundle, RTX) == before
    for plan in before.plans:
        plan_bytes(bundle, RTX, plan)
    write_plans(bundle, *made(bundle))  # and what was left half-way goes with the next
    check(bundle)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """TensorRT replaced by what takes a while; returns who built."""
    building: list[int] = []

    def build(bundle: Bundle, target: str, precisions, variants, gpu, progress):
        building.append(threading.get_ident())
        time.sleep(0.3)
        return made(bundle, precisions[0])

    monkeypatch.setattr(tensorrt_engine, "build_plans", build)
    return building


def test_the_second_to_open_waits_for_the_plans_of_the_first(
    bundle: Bundle, builds: list[int]
) -> None:
    came: list[dict[str, bytes]] = []

    def open_one() -> None:
        opened = Bundle.open(bundle.path)
        came.append(tensorrt_engine.usable_plans(opened, KEY, "fp32", "plugin"))

    threads = [threading.Thread(target=open_one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1
    assert came[0] == came[1] == came[2]
    check(bundle)


@pytest.mark.parametrize("damage", ["bytes", "gone", "index"])
def test_damaged_plans_are_stale_not_fatal(
    bundle: Bundle, builds: list[int], damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = tensorrt_engine.usable_plans(bundle, KEY, "fp32", "plugin")
    file = bundle.path / "targets" / RTX / check(bundle).plans[0].path
    if damage == "bytes":
        file.write_bytes(b"evil")
    elif damage == "gone":
        file.unlink()
    else:
        (bundle.path / "targets" / RTX / "plans.json").write_text("{")
    with caplog.at_level(logging.WARNING, "same"):
        again = tensorrt_engine.usable_plans(bundle, KEY, "fp32", "plugin")
    assert "building plans, which takes a while" in caplog.text
    assert len(builds) == 2 and again != first and b"evil" not in again.values()
    assert tensorrt_engine.usable_plans(bundle, KEY, "fp32", "plugin") == again
    assert len(builds) == 2


def test_a_changed_graph_stays_fatal(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(bundle: Bundle, target: str, precisions, variants, gpu, progress):
        return bundle.graph_bytes(precisions[0], "fusion")

    monkeypatch.setattr(tensorrt_engine, "build_plans", build)
    (bundle.path / bundle.graph("fp32", "fusion").path).write_bytes(b"evil")
    with pytest.raises(BundleError, match="SHA-256"):
        tensorrt_engine.usable_plans(bundle, KEY, "fp32", "plugin")


def test_the_lock_may_be_held_twice_and_leaves_nothing(bundle: Bundle) -> None:
    with plans_lock(bundle, RTX), plans_lock(bundle, RTX):
        write_plans(bundle, *made(bundle))
    check(bundle)


def test_plans_of_unchanged_graphs_are_carried_over(
    bundle: Bundle, tiny_bundle: Path, tmp_path: Path
) -> None:
    write_plans(bundle, *made(bundle))
    new = Bundle.open(shutil.copytree(tiny_bundle, tmp_path / "new.same"))
    assert carry_plans(bundle, new) == (RTX,)
    assert check(new) == check(bundle)
    (bundle.path / "targets" / RTX / check(bundle).plans[0].path).write_bytes(b"evil")
    other = Bundle.open(shutil.copytree(tiny_bundle, tmp_path / "other.same"))
    assert carry_plans(bundle, other) == ()
    assert read_plans(other, RTX) is None
