"""The native reader of bundles and Python's refuse the same files."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from random import Random
from typing import Any

import pytest
from both_readers import change_manifest, check_alike, judged_natively, put_graph

from same_bench.fuzz.attack import make_input
from same_bench.fuzz.target import BUNDLE
from same_bench.fuzz.targets import TARGETS
from same_engines import Bundle
from same_engines.bundle.manifest import MANIFEST_NAME, STAGES
from same_engines.errors import BundleError
from same_runtime import _core
from same_runtime.demo import demo_bundle

TESTS = Path(__file__).parents[1]
TINY = TESTS / "fixtures" / "tiny.same"
CORPUS = TESTS / "fixtures" / "fuzz"
GRAPHS = [(precision, stage) for precision in ("fp32", "fp16") for stage in STAGES]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "copy.same"))


def test_sha256_is_hashlibs() -> None:
    rng = Random(0)
    for size in (*range(200), 1 << 10, 1 << 20):
        content = rng.randbytes(size)
        assert _core.sha256_hex(content) == hashlib.sha256(content).hexdigest()


def test_good_bundles_are_accepted() -> None:
    for path in (TINY, demo_bundle()):
        assert check_alike(path)


@pytest.mark.parametrize("name", ["column_zoom", "row_zoom"])
def test_zoomed_images_are_accepted(copy: Path, name: str) -> None:
    for zoom in (1, 1.8, 4.0):
        change_manifest(copy, lambda c, zoom=zoom: c["config"].update({name: zoom}))
        assert check_alike(copy)
    for zoom in (0.5, 5, "2", True, None):
        change_manifest(copy, lambda c, zoom=zoom: c["config"].update({name: zoom}))
        assert not check_alike(copy)


def test_whether_it_is_told_of_straps_is_a_choice(copy: Path) -> None:
    for told, good in ((True, True), (False, True), (1, False), (None, False), ("yes", False)):
        change_manifest(copy, lambda c, told=told: c["config"].update(use_leg_straps=told))
        assert check_alike(copy) is good


def test_known_format_versions_are_accepted(copy: Path) -> None:
    for version, good in ((1, True), (2, True), (2.0, True), (3, True), (4, False), (0, False)):
        change_manifest(copy, lambda c, version=version: c.update(format_version=version))
        assert check_alike(copy) is good


def test_the_imu_filter_is_a_choice(copy: Path) -> None:
    """By the manifest: the graphs stay those of a bundle that has it."""
    signatures = load("runtime/estimation/test_signatures")
    change_manifest(copy, signatures.before_the_imu_filter)
    signatures.check_signatures(Bundle.open(copy))
    _core.NativeBundle(str(copy))


def test_no_folder_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.same", TINY / MANIFEST_NAME):
        with pytest.raises(BundleError, match=f"no folder at {path}.*same-export"):
            _core.NativeBundle(str(path))
    with pytest.raises(BundleError, match="no int8 graphs; it has fp32, fp16"):
        _core.NativeBundle(str(TINY)).graph_bytes("int8", "visual")


def load(name: str) -> Any:
    """Another test module, for what its tests are given."""
    path = TESTS / f"{name}.py"
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def given(test: Any) -> list[Any]:
    return list(test.pytestmark[0].args[1])


def bad_manifests() -> Iterator[Callable[[dict[str, Any]], object]]:
    reader = load("engines/bundle/test_reader")
    config = load("engines/bundle/test_config")
    for _, change in given(reader.test_bad_manifests_are_refused_with_the_reason):
        yield change
    for field, value in given(config.test_wrong_settings_are_named_at_open):
        yield lambda content, f=field, v=value: content["config"].update({f: v})
    yield from load("runtime/estimation/test_signatures").CHANGES.values()
    for steps in given(reader.test_steps_that_are_none_are_refused):
        yield lambda content, s=steps: content.update(trained_steps=s)


def test_bad_manifests_are_judged_alike(copy: Path) -> None:
    good = (copy / MANIFEST_NAME).read_bytes()
    for change in bad_manifests():
        (copy / MANIFEST_NAME).write_bytes(good)
        change_manifest(copy, change)
        assert not check_alike(copy)


def test_bad_graphs_are_judged_alike(copy: Path) -> None:
    guard = load("engines/bundle/test_onnx_guard")
    changes = [("visual", change) for _, change in guard.REFUSED.values()]
    changes += [
        ("fusion", change) for change in given(guard.test_only_the_projects_own_function_is_known)
    ]
    good = (copy / MANIFEST_NAME).read_bytes()
    for stage, change in changes:
        model = guard.stage_model(stage)
        change(model)
        shutil.copytree(TINY, copy, dirs_exist_ok=True)
        put_graph(copy, "fp32", stage, model.SerializeToString())
        assert not check_alike(copy)
    for _, content in given(guard.test_another_spelling_is_refused):
        (copy / MANIFEST_NAME).write_bytes(good)
        put_graph(copy, "fp32", "visual", content)
        assert not check_alike(copy)


@pytest.mark.parametrize("path", sorted((CORPUS / "manifest").iterdir()), ids=lambda p: p.name)
def test_manifests_that_something_fell_over(path: Path, copy: Path) -> None:
    shutil.copy(path, copy / MANIFEST_NAME)
    assert not check_alike(copy)


@pytest.mark.parametrize("path", sorted((CORPUS / "graph").iterdir()), ids=lambda p: p.name)
def test_graphs_that_something_fell_over(path: Path, copy: Path) -> None:
    raw = path.read_bytes()
    put_graph(copy, *GRAPHS[raw[0] % len(GRAPHS)], raw[1:])
    assert not check_alike(copy)


def judge_changed(target: str, seed: int, count: int, folder: Path) -> int:
    """How many of ``count`` changed files both accept."""
    if not BUNDLE.exists():
        pytest.skip("needs same_bench from a checkout, whose fixtures it changes")
    made, good = TARGETS[target](), {path.name: path.read_bytes() for path in TINY.iterdir()}
    accepted = 0
    for number in range(count):
        for name, content in good.items():
            (folder / name).write_bytes(content)
        raw = make_input(made, seed, number)
        if target == "manifest":
            (folder / MANIFEST_NAME).write_bytes(raw)
        else:
            put_graph(folder, *GRAPHS[raw[0]], raw[1:])
        accepted += check_alike(folder)
    return accepted


@pytest.mark.parametrize(("target", "count"), [("manifest", 600), ("graph", 80)])
def test_changed_files_are_judged_alike(target: str, count: int, copy: Path) -> None:
    assert 0 < judge_changed(target, 0, count, copy) < count // 2


@pytest.mark.slow
@pytest.mark.parametrize(("target", "count"), [("manifest", 20_000), ("graph", 5_000)])
def test_many_changed_files_are_judged_alike(target: str, count: int, copy: Path) -> None:
    judge_changed(target, 1, count, copy)


@pytest.mark.parametrize(
    "name", ["../x.onnx", "/etc/passwd", "a\\b", "C:x", "a\0b", "", ".", "é" * 256]
)
def test_names_that_leave_the_bundle(name: str, copy: Path) -> None:
    change_manifest(copy, lambda c: c["graphs"]["fp32"]["visual"].update(path=name))
    assert not check_alike(copy)


def test_other_spellings_of_a_name_are_the_same_file(copy: Path) -> None:
    change_manifest(copy, lambda c: c["graphs"]["fp32"]["visual"].update(path=".//visual.onnx"))
    assert check_alike(copy)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX files")
def test_only_regular_files_are_read(copy: Path, tmp_path: Path) -> None:
    graph, elsewhere = copy / "visual.onnx", tmp_path / "elsewhere.onnx"
    graph.rename(elsewhere)
    assert "missing" in refusal(copy)
    graph.symlink_to(elsewhere)
    assert "a link; " in refusal(copy)
    graph.unlink()
    os.mkfifo(graph)
    assert "not a regular file" in refusal(copy)
    graph.unlink()
    graph.mkdir()
    assert "not a regular file" in refusal(copy)
    graph.rmdir()
    (tmp_path / "inside").mkdir()
    elsewhere.rename(tmp_path / "inside" / "visual.onnx")
    (copy / "linked").symlink_to(tmp_path / "inside")
    change_manifest(copy, lambda c: c["graphs"]["fp32"]["visual"].update(path="linked/visual.onnx"))
    assert "linked: a link; " in refusal(copy)
    (copy / MANIFEST_NAME).write_bytes(b" " * (5 << 20))
    assert "larger than" in refusal(copy)


def refusal(folder: Path) -> str:
    assert not check_alike(folder)
    return judged_natively(folder)[1]
