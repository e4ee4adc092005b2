"""A bundle whose tensors are not those that the tracker indexes is refused when it is opened."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from same_engines import Bundle
from same_engines.bundle.manifest import MANIFEST_NAME, canonical_sha256
from same_engines.errors import BundleError
from same_runtime.demo import demo_bundle
from same_runtime.estimation.signatures import check_signatures
from same_runtime.tracker import SamePoseTracker

Content = dict[str, Any]


def changed(folder: Path, change: Callable[[Content], None]) -> Path:
    content = json.loads((folder / MANIFEST_NAME).read_bytes())
    del content["manifest_sha256"]
    change(content)
    content["manifest_sha256"] = canonical_sha256(content)
    (folder / MANIFEST_NAME).write_text(json.dumps(content))
    return folder


def tensor(content: Content, stage: str, name: str) -> dict[str, Any]:
    graph = content["graphs"]["fp32"][stage]
    return next(item for item in (*graph["inputs"], *graph["outputs"]) if item["name"] == name)


def set_shape(stage: str, name: str, axis: int, size: int) -> Callable[[Content], None]:
    return lambda content: tensor(content, stage, name)["shape"].__setitem__(axis, size)


def drop(stage: str, kind: str, name: str) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        graph = content["graphs"]["fp32"][stage]
        graph[kind] = [item for item in graph[kind] if item["name"] != name]

    return change


CHANGES: dict[str, Callable[[Content], None]] = {
    "17 features of a device": set_shape("inertial", "imu_features", 1, 17),
    "one view": set_shape("visual", "images", 0, 1),
    "44 joints": set_shape("fusion", "joints_local", 0, 44),
    "some rows of the window": set_shape("temporal", "joints_anchor", 0, 6),
    "another window": set_shape("temporal", "window_joints", 0, 9),
    "a window of 1": lambda c: c["config"].update(window=1),
    "a window of a million": lambda c: c["config"].update(window=10**6),
    "images as large as a wall": lambda c: c["config"].update(input_width=8192),
    "another size of images": lambda c: c["config"].update(input_width=128),
    "a recurrent state of another size": set_shape("inertial", "lstm_h", 2, 5),
    "no camera poses": drop("temporal", "inputs", "T_anchor_cam"),
    "no confidence": drop("fusion", "outputs", "joint_confidence"),
    "the inertial stage's joints unasked": lambda c: c["config"].update(use_imu_filter=False),
    "a filter that is neither there nor not": lambda c: c["config"].update(use_imu_filter=1),
    "no joints of the inertial stage": drop("temporal", "inputs", "joints_imu"),
    "axes that are not there": lambda c: c["config"].update(depth_mode="z"),
    "half precision": lambda c: tensor(c, "temporal", "joints_anchor").update(dtype="float16"),
    "a tensor twice": lambda c: c["graphs"]["fp32"]["visual"]["inputs"].append(
        c["graphs"]["fp32"]["visual"]["inputs"][0]
    ),
    "other joints": lambda c: c["joint_names"].reverse(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_other_tensors_are_refused_at_once(name: str, tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "copy.same"))
    changed(folder, CHANGES[name])
    with pytest.raises(BundleError, match=r"copy\.same"):
        SamePoseTracker(folder)


def test_good_bundles_pass(tiny_bundle: Path) -> None:
    for path in (tiny_bundle, demo_bundle()):
        check_signatures(Bundle.open(path))


@pytest.mark.parametrize("rows", [4, 8])
def test_the_rows_that_are_read_pass_and_so_does_the_whole_window(
    rows: int, tiny_bundle: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "copy.same"))
    changed(folder, set_shape("temporal", "joints_anchor", 0, rows))
    check_signatures(Bundle.open(folder))


def before_the_imu_filter(content: Content) -> None:
    """Make a manifest one from before ``use_imu_filter``."""
    del content["config"]["use_imu_filter"]
    for stages in content["graphs"].values():
        graph = stages["temporal"]
        graph["inputs"] = [item for item in graph["inputs"] if item["name"] != "joints_imu"]
        for item in (*graph["inputs"], *graph["outputs"]):
            if item["name"].startswith("window_joints"):
                item["shape"][1] = 22


def test_a_bundle_from_before_the_imu_filter_passes(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "copy.same"))
    changed(folder, before_the_imu_filter)
    check_signatures(Bundle.open(folder))
