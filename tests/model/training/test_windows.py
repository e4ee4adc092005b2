from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import TINY, tiny_model
from tiny_sequence import write_sequence

from same_model.data.sequence import open_sequence
from same_model.loss_config import LossConfig
from same_model.losses import lateness_error
from same_model.same_network import SameModel
from same_model.training.config import AugmentConfig
from same_model.training.data.dataset import Frames, load_frames
from same_model.training.data.fusion_inputs import BackboneCache
from same_model.training.data.visual_cache import VisualCache
from same_model.training.data.windows import (
    CONSECUTIVE,
    first_anchor,
    newest_errors,
    stream_losses,
    window_batch,
)
from same_model.training.stages.inertial import InertialCache, run_inertial
from same_model.training.stages.stage import StageSetup
from same_model.training.stages.temporal import TemporalTraining
from same_runtime.camera import CameraRig


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory, small_rig: CameraRig) -> Frames:
    root: Path = tmp_path_factory.mktemp("windows")
    recordings = [write_sequence(root / str(i), small_rig, 40, seed=i) for i in range(2)]
    return load_frames(recordings, tiny_model().config, False, "test")


def _visual(frames: Frames) -> VisualCache:
    shape = (2, TINY.feature_dim, TINY.feature_height, TINY.feature_width)
    features = np.zeros((len(frames), *shape), np.float16)
    return VisualCache(features, frames.joints_2d, frames.visible)


def _inertial(frames: Frames, model: SameModel) -> InertialCache:
    return run_inertial(model.inertial, frames, frames.imu_features[None])


def _batch(frames: Frames) -> dict[str, torch.Tensor]:
    last = frames.stretch_rows(np.array([35, 50, 79]), CONSECUTIVE)[0].ravel()
    rows = frames.window_rows(last, frames.window_valid.shape[1])
    rng = np.random.default_rng(0)
    batch = window_batch(frames, last, rows, rng, CONSECUTIVE)
    return {"T_first_anchor": first_anchor(frames, last), **batch}


def _stream_loss(name: str, batch: dict[str, torch.Tensor], joints: torch.Tensor) -> float:
    config = LossConfig(form="distance", **{name: 1.0})
    return float(stream_losses(joints, batch, config)[name])


def test_the_true_poses_are_steady_and_so_is_what_is_off_by_the_same_in_the_world(
    frames: Frames,
) -> None:
    batch = _batch(frames)
    steady = partial(_stream_loss, "steady", batch)
    truth = batch["truth_anchor"]
    assert steady(truth) < 1e-6
    up = torch.tensor([0.0, 0.3, 0.0])
    assert steady(truth + up) < 1e-6
    to_and_fro = torch.tensor([1.0, -1.0] * (len(truth) // 2))[:, None, None, None] * 0.01
    expected = (3 * 0.04**2 + 0.005**2) ** 0.5 - 0.005
    assert steady(truth + to_and_fro) == pytest.approx(expected, rel=1e-3)


def test_what_lies_behind_its_motion_is_late_and_what_is_small_or_shakes_is_not(
    frames: Frames,
) -> None:
    batch = _batch(frames)
    late = partial(_stream_loss, "late", batch)
    truth = batch["truth_anchor"]
    step = truth[:, -1] - truth[:, -2]
    size = step.square().sum(-1).mean(0).sqrt().mean()
    behind = truth.clone()
    behind[:, -1] -= 0.5 * step
    assert late(behind) == pytest.approx(0.5 * float(size), rel=1e-3)
    across = truth.clone()
    across[:, -1] += torch.linalg.cross(step, torch.tensor([0.0, 1.0, 0.0]).expand_as(step))
    assert late(truth) < 1e-6 and late(across) < 1e-6


def test_each_sequence_has_its_own_time_between_frames(frames: Frames) -> None:
    faster = np.where(frames.sequence_of == 1, np.float32(1 / 3), np.float32(1))
    mixed = replace(frames, time_offset_s=frames.time_offset_s * faster[:, None])
    assert mixed.step_s[:40] == pytest.approx(1 / 30, rel=0.01)
    assert mixed.step_s[40:] == pytest.approx(1 / 90, rel=0.01)


def test_a_delay_counts_alike_at_every_frame_rate() -> None:
    rng = np.random.default_rng(3)
    velocity = torch.from_numpy(rng.normal(size=(40, 22, 3)))
    truth = torch.from_numpy(rng.normal(size=(40, 22, 3)))

    def late(step_s: torch.Tensor) -> float:
        before = truth - velocity * step_s[:, None, None]
        return float(lateness_error(truth - 0.01 * velocity, truth, before, step_s))

    slow = torch.full((40,), 1 / 30)
    mixed = torch.where(torch.arange(40) % 2 == 0, 1 / 90, slow)
    assert late(slow) == pytest.approx(late(mixed), rel=1e-6)
    assert late(slow) == pytest.approx(0.01 * 3**0.5, rel=0.05)


def test_a_group_of_windows_is_one_stream_that_has_just_started(frames: Frames) -> None:
    last = np.tile(np.arange(36, 36 + CONSECUTIVE), 200)
    rows = frames.window_rows(last, frames.window_valid.shape[1])
    batch = window_batch(frames, last, rows, np.random.default_rng(1), CONSECUTIVE)
    counts = batch["window_valid"].sum(1).reshape(-1, CONSECUTIVE)
    assert len(np.unique(counts[:, 0])) > 3
    longest = frames.window_valid.shape[1]
    assert torch.equal(counts[:, 1:], (counts[:, :-1] + 1).clamp(max=longest))


def test_the_jitter_of_the_truth_is_that_of_its_world_poses(frames: Frames) -> None:
    everyone = np.arange(len(frames))
    truth = frames.anchor_targets(everyone, everyone[:, None])[:, 0]
    found = newest_errors(truth, frames)["val_jitter_m_s3"]
    jerk = [np.diff(part, n=3, axis=0) * 30.0**3 for part in np.split(frames.joints_world, [40])]
    expected = np.linalg.norm(np.concatenate(jerk), axis=-1).mean()
    assert found == pytest.approx(expected, rel=0.05)
    noisy = truth + np.random.default_rng(0).normal(0, 0.01, truth.shape).astype(np.float32)
    assert newest_errors(noisy, frames)["val_jitter_m_s3"] > 10 * expected


def test_the_temporal_stage_draws_windows_in_groups_only_where_it_looks_at_them(
    frames: Frames,
) -> None:
    model = tiny_model()
    cache = BackboneCache(frames, _visual(frames), _inertial(frames, model))
    for name, members in (
        ("late", 1),
        ("lowest", 1),
        ("steady", CONSECUTIVE),
        ("standing", CONSECUTIVE),
    ):
        config = LossConfig(form="distance", **{name: 1.0})
        setup = StageSetup(model, cache, None, 10, 16, AugmentConfig(true_windows=1.0), config)
        stage = TemporalTraining(setup, 0)
        assert stage.frames_per_step == 10 // members * members
        batch = stage.make_batch(np.random.default_rng(0))
        newest = batch["points_local"][:, -2], batch["points_local"][:, -1]
        follows = [torch.equal(newest[0][i], newest[1][i - 1]) for i in range(1, len(newest[0]))]
        assert sum(follows) == (len(newest[0]) // CONSECUTIVE * 3 if members > 1 else 0)
        _, parts = stage(batch)
        assert {"late", "lowest", "steady", "standing"} & set(parts) == {name}


def test_fusion_reads_the_sensors_of_its_version(frames: Frames) -> None:
    """A wearer whose straps were measured in a version reads so in fusion too."""
    model = tiny_model()
    others = np.stack([frames.imu_features, frames.imu_features + 1.0])
    cache = BackboneCache(frames, _visual(frames), run_inertial(model.inertial, frames, others))
    rows, version = np.array([3, 40, 40]), np.array([1, 0, 1])
    batch = cache.fusion_batch(
        rows, version, np.ones((3, 2), np.float32), 0.0, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(batch["imu_features"].numpy(), others[version, rows])


@pytest.fixture(scope="module")
def gapped(tmp_path_factory: pytest.TempPathFactory, small_rig: CameraRig) -> Frames:
    """A whole recording and one with a gap after which tracking starts anew: 30 frames, then 2 and
    20 of the other, whose streams go on."""
    root: Path = tmp_path_factory.mktemp("gapped")
    recordings = [write_sequence(root / "whole", small_rig, 30)]
    frames = write_sequence(root / "gapped", small_rig, 90, seed=1).frames
    keep = np.r_[0:2, 70:frames]
    for path in (root / "gapped").glob("*.npy"):
        if not path.name.startswith("stream_"):
            np.save(path, np.load(path)[keep])
    recordings.append(open_sequence(root / "gapped"))
    return load_frames(recordings, tiny_model().config, False, "test")


def test_windows_and_stretches_end_at_a_gap(gapped: Frames) -> None:
    assert gapped.starts.tolist() == [0, 30, 52]
    assert gapped.stretches.tolist() == [0, 30, 32, 52]
    assert gapped.window_rows(np.array([33, 31]), 4).tolist() == [
        [32, 32, 32, 33],
        [30, 30, 30, 31],
    ]
    rows, counts = gapped.stretch_rows(np.array([31, 33, 51]), 4)
    assert rows.tolist() == [[30, 31, 31, 31], [33, 34, 35, 36], [48, 49, 50, 51]]
    assert counts.tolist() == [[True, True, False, False], [True] * 4, [True] * 4]
    part = gapped.of_sequences(1, 2)
    assert part.starts.tolist() == [0, 22] and part.stretches.tolist() == [0, 2, 22]
    last = gapped.of_stretch(2)
    assert last.starts.tolist() == last.stretches.tolist() == [0, 20]
    assert not last.sequence_of.any() and not last.stretch_of.any() and len(last.rays) == 1
    assert np.array_equal(last.imu_features, gapped.imu_features[32:])
    assert gapped.step_s == pytest.approx(1 / 30, rel=0.01)


def test_no_motion_is_made_of_a_gap(gapped: Frames) -> None:
    everyone = np.arange(len(gapped))
    truth = gapped.anchor_targets(everyone, everyone[:, None])[:, 0]
    whole = newest_errors(truth[:30], gapped.of_sequences(0, 1))
    assert newest_errors(truth, gapped)["val_jitter_m_s3"] < 2 * whole["val_jitter_m_s3"]


def test_no_loss_is_scaled_up_behind_a_gap(gapped: Frames) -> None:
    """Of a network that is 1 cm off, otherwise in each frame, near the gap and far from it."""
    rng = np.random.default_rng(0)
    off = torch.from_numpy(rng.normal(0.0, 0.01, (len(gapped), 1, 22, 3)).astype(np.float32))
    config = LossConfig(form="distance", steady=1.0, standing=1.0)

    def losses(frames: Frames, first: int) -> dict[str, float]:
        last = frames.stretch_rows(np.array([first]), CONSECUTIVE)[0].ravel()
        rows = frames.window_rows(last, frames.window_valid.shape[1])
        batch = window_batch(frames, last, rows, rng, CONSECUTIVE)
        batch["T_first_anchor"] = first_anchor(frames, last)
        found = stream_losses(batch["truth_anchor"] + off[last], batch, config)
        return {name: float(loss) for name, loss in found.items()}

    usual = losses(gapped, 10)
    for first in (29, 30, 31, 32, 33):
        for name, loss in losses(gapped, first).items():
            assert loss < 3 * usual[name] + 0.01, (first, name)
    # A stretch of one frame, of whose windows some begin later: any difference is no motion.
    single = gapped.of_stretch(1)._of(slice(0, 1), slice(0, 1))
    last = np.zeros(CONSECUTIVE, np.int64)
    batch = window_batch(single, last, single.window_rows(last, 8), rng, CONSECUTIVE)
    batch["T_first_anchor"] = first_anchor(single, last)
    found = stream_losses(batch["truth_anchor"] + off[:CONSECUTIVE], batch, config)
    assert float(found["steady"]) < usual["steady"] and float(found["standing"]) < 0.01


def test_the_inertial_state_begins_anew_after_a_gap(gapped: Frames) -> None:
    inertial = tiny_model().inertial.eval()
    for parameter in inertial.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.1)
    whole = run_inertial(inertial, gapped, gapped.imu_features[None]).joints_imu[0]
    for stretch in range(3):
        part = gapped.of_stretch(stretch)
        alone = run_inertial(inertial, part, part.imu_features[None]).joints_imu[0]
        rows = gapped.stretch_of == stretch
        np.testing.assert_allclose(whole[rows], alone, atol=1e-5)
