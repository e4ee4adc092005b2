import json
from pathlib import Path

import numpy as np
import pytest

from same_engines.errors import DataError
from same_model.data.rig import emhi_like_rig, read_rig
from same_model.synth.render.rig import miscalibrated, random_rig


def test_the_nominal_rig_has_emhis_published_figures() -> None:
    rig = emhi_like_rig()
    for camera, sign in zip(rig.cameras, (1, -1), strict=True):
        middle_row = np.array([[0.0, camera.cy], [639.0, camera.cy]])
        middle_column = np.array([[camera.cx, 0.0], [camera.cx, 479.0]])
        spans = []
        for pixels in (middle_row, middle_column):
            rays, _ = camera.unproject(pixels)
            spans.append(np.rad2deg(np.arccos(rays[:, 2])).sum())
        assert spans == pytest.approx([157, 116], abs=4)
        T_cam_head = np.linalg.inv(camera.T_head_cam)
        np.testing.assert_allclose(T_cam_head[:3, 3], (sign * 0.10, 0.078, -0.071), atol=1e-9)
        _, corner_seen = camera.unproject(np.array([0.0, 0.0]))
        assert not corner_seen
        assert camera.T_head_cam[1, 2] < -0.5  # looks down
    assert np.linalg.norm(rig.T_cam_left_cam_right[:3, 3]) == pytest.approx(0.2)


def test_small_images_show_the_same_view() -> None:
    large, small = emhi_like_rig(640, 480), emhi_like_rig(160, 120)
    point = np.array([0.2, 0.1, 0.5])
    fine, _ = large.left.project(point)
    coarse, _ = small.left.project(point)
    np.testing.assert_allclose((fine + 0.5) / 4, coarse + 0.5, atol=1e-9)


def test_random_rigs_vary_around_the_nominal_one(rng: np.random.Generator) -> None:
    rigs = [random_rig(rng, 64, 48) for _ in range(50)]
    tilts = [np.rad2deg(np.arcsin(-r.left.T_head_cam[1, 2])) for r in rigs]
    assert 1 < np.std(tilts) < 6
    assert len({r.left.fx for r in rigs}) == 50
    same = random_rig(rng, 64, 48, spread=0.0)
    np.testing.assert_allclose(same.left.T_head_cam, emhi_like_rig(64, 48).left.T_head_cam)


def test_the_written_calibration_is_close_but_not_exact(rng: np.random.Generator) -> None:
    rig = random_rig(rng, 640, 480)
    points = rng.normal(size=(200, 3)) + (0, 0, 1.5)
    gaps = []
    for _ in range(20):
        known = miscalibrated(rng, rig)
        there, seen = rig.left.project(points)
        gaps.append(np.linalg.norm(there - known.left.project(points)[0], axis=1)[seen].mean())
    assert 0.1 < np.mean(gaps) < 2.0


def test_rig_files_round_trip_and_bad_ones_are_named(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    rig = random_rig(rng, 64, 48)
    path = tmp_path / "rig.json"
    path.write_text(json.dumps(rig.to_dict()))
    np.testing.assert_array_equal(read_rig(path).right.T_head_cam, rig.right.T_head_cam)
    path.write_text('{"left": {}}')
    with pytest.raises(DataError, match=r"rig\.json"):
        read_rig(path)
