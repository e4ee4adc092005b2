"""The cached visual features: what they depend on, and several processes that want them."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import TINY, tiny_model
from tiny_sequence import write_sequence

from same_engines.errors import DataError
from same_engines.processes import process_space
from same_model.data.sequence import open_sequence
from same_model.training.data.dataset import load_frames, load_images, normalised
from same_model.training.data.visual_cache import (
    VisualCache,
    cached_visual,
    read_rows,
    with_errors_scaled,
)

SCRIPT = Path(__file__).resolve().parents[2] / "support" / "make_visual_cache.py"


@pytest.fixture
def folder(tmp_path, small_rig):
    write_sequence(tmp_path / "data" / "one", small_rig, 20, seed=1)
    return tmp_path / "data" / "one"


def made(folder: Path, root: Path, **changes) -> VisualCache:
    model, sequences = tiny_model(), [open_sequence(folder)]
    model.config = replace(model.config, **changes)
    frames = load_frames(sequences, TINY, False, "")
    return cached_visual(
        model, frames, sequences, lambda: load_images(sequences, TINY), root, "test"
    )


def caches(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()]


def test_the_cache_holds_what_the_network_says(folder, tmp_path):
    cache = made(folder, tmp_path / "cache")
    images = torch.from_numpy(load_images([open_sequence(folder)], TINY)).float()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        out = tiny_model().visual(normalised(images, TINY))
    assert cache.features.dtype == np.float16
    np.testing.assert_allclose(cache.features, out.features.float(), atol=0.05)
    np.testing.assert_allclose(cache.joints_2d, out.joints_2d.float(), atol=0.05)
    np.testing.assert_allclose(cache.visibility, out.visibility.float(), atol=0.01)


def test_scattered_frames_are_those_of_the_map(folder, tmp_path):
    features = made(folder, tmp_path / "cache").features
    rows = np.array([17, 3, 3, 0, 19])
    assert isinstance(features, np.memmap)
    np.testing.assert_array_equal(read_rows(features, rows), np.array(features)[rows])
    part = features[5:]  # whose offset NumPy does not keep
    np.testing.assert_array_equal(read_rows(part, rows[1:4]), np.array(features)[[8, 8, 5]])
    in_memory = np.array(features)
    np.testing.assert_array_equal(read_rows(in_memory, rows), in_memory[rows])


def test_a_cache_that_got_shorter_is_an_error_and_no_frame(folder, tmp_path):
    features = made(folder, tmp_path / "cache").features
    path = next(tmp_path.glob("cache/*/features.npy"))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    with pytest.raises(DataError, match=r"features\.npy: ends before"):
        read_rows(features, np.array([19]))


def test_errors_are_scaled_where_there_is_a_truth_and_stay_in_the_image(folder, tmp_path):
    cache = made(folder, tmp_path / "cache")
    frames = load_frames([open_sequence(folder)], TINY, False, "")
    inside = frames.visible > 0
    assert 0 < inside.mean() < 1
    scaled = with_errors_scaled(cache, frames, 1.5).joints_2d
    np.testing.assert_array_equal(scaled[~inside], cache.joints_2d[~inside])
    before, after = cache.joints_2d - frames.joints_2d, scaled - frames.joints_2d
    size = np.array([TINY.feature_width, TINY.feature_height])
    kept = inside & ((scaled > 0) & (scaled < size - 1)).all(axis=-1)
    assert kept.sum() > 20
    np.testing.assert_allclose(after[kept], 1.5 * before[kept], atol=1e-4)
    assert (scaled[inside] >= 0).all() and (scaled[inside] <= size - 1).all()
    unscaled = with_errors_scaled(cache, frames, 1.0).joints_2d
    np.testing.assert_allclose(unscaled, cache.joints_2d, atol=1e-5)


def test_images_rendered_again_are_not_served_from_the_old_cache(folder, tmp_path):
    before = np.array(made(folder, tmp_path / "cache").features)
    images = np.load(folder / "images.npy", mmap_mode="r+")
    images[:] = 255 - images[:]
    images.flush()
    del images
    after = made(folder, tmp_path / "cache").features
    assert np.abs(before - after).max() > 0.01


def test_other_image_statistics_are_not_served_from_the_old_cache(folder, tmp_path):
    before = np.array(made(folder, tmp_path / "cache").features)
    for change in ({"image_mean": 0.9}, {"image_std": 0.5}):
        after = made(folder, tmp_path / "cache", **change).features
        assert np.abs(before - after).max() > 0.01, change


def test_zoomed_images_have_a_cache_of_their_own(folder, tmp_path):
    for change in ({}, {"column_zoom": 2.0}, {"row_zoom": 2.0}):
        made(folder, tmp_path / "cache", **change)
    assert len(caches(tmp_path / "cache")) == 3


def test_the_same_data_elsewhere_find_the_cache(folder, tmp_path):
    made(folder, tmp_path / "cache")
    folder.parent.rename(tmp_path / "moved")
    made(tmp_path / "moved" / "one", tmp_path / "cache")
    assert len(caches(tmp_path / "cache")) == 1


def test_a_system_without_posix_fallocate_makes_the_same_cache(folder, tmp_path, monkeypatch):
    monkeypatch.delattr("os.posix_fallocate")
    assert len(made(folder, tmp_path / "cache").features) == 20


def test_what_a_killed_process_left_is_removed(folder, tmp_path):
    made(folder, tmp_path / "cache")
    whole = caches(tmp_path / "cache")[0]
    whole.rename(whole.with_name(f".{whole.name}.999999999.{process_space()}0f.partial"))
    made(folder, tmp_path / "cache")
    assert caches(tmp_path / "cache") == [whole]


def test_an_unwritable_cache_is_one_line(folder, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DataError, match="cannot be written .* see --cache"):
        made(folder, tmp_path / "cache")


def test_processes_that_want_one_cache_make_it_once(folder, tmp_path):
    """As the ranks of one run do: nobody fails, one makes it, the others wait for it."""
    command = [sys.executable, str(SCRIPT), str(folder), str(tmp_path / "cache")]
    racing = [
        subprocess.Popen([*command, "3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    results = [process.communicate(timeout=120) for process in racing]
    assert [process.returncode for process in racing] == [0, 0, 0], results
    assert sorted(out.splitlines()[-1] for out, _ in results) == ["found", "found", "made"]
    assert len(caches(tmp_path / "cache")) == 1
