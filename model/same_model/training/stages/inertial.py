"""Stage 1, inertial: joints from the worn devices alone."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from same_model.data.leg_straps import stand_errors, strap_turns, with_straps_measured
from same_model.losses import inertial_loss
from same_model.training.config import AugmentConfig
from same_model.training.data.augment import drop_devices, jitter_devices
from same_model.training.data.dataset import Frames
from same_model.training.data.wearers import on_other_wearers
from same_model.training.last_layers import solve_last_layers
from same_model.training.stages.stage import Batch, Stage, StageSetup

_STRETCHES_AT_ONCE = 16
_DROPOUT_FRAMES = 150
_SOLVED_VERSIONS = 4
_MM = 1000.0


class InertialTraining(Stage[Frames]):
    """Trains ``SameModel.inertial`` on stretches that begin anywhere, from a fresh state.

    Their length is random, down to a quarter of ``stretch``: short ones teach the start of a
    stream, long ones the carried state.
    """

    def __init__(self, setup: StageSetup[Frames]) -> None:
        super().__init__(setup)
        self.inertial = setup.model.inertial
        self.frames_per_step = setup.batch * setup.stretch * 5 // 8
        self.frames_in_total = len(setup.data)
        if not setup.model.config.use_leg_straps:
            self._augment = replace(self._augment, measured_straps=0.0)
        frames = setup.data
        self._turns = strap_turns(frames.imu_features, frames.joints_local, frames.starts)

    def make_batch(self, rng: np.random.Generator) -> Batch:
        frames = self._data
        length = int(rng.integers(max(1, self._stretch // 4), self._stretch + 1))
        first = rng.integers(len(frames), size=self._batch)
        rows, valid = frames.stretch_rows(first, length)
        features, joints = on_other_wearers(
            frames.imu_features[rows],
            frames.joints_local[rows],
            self._turns[frames.sequence_of[first]],
            self._augment,
            rng,
        )
        features = jitter_devices(features, self._augment, rng, frames.step_s[first])
        features = drop_devices(features, self._augment.device_dropout, rng)
        return {
            "imu_features": torch.from_numpy(features),
            "joints_local": torch.from_numpy(joints),
            "frame_valid": torch.from_numpy(valid.astype(np.float32)),
        }

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        out = self.inertial(batch["imu_features"])
        truth, valid = batch["joints_local"], batch["frame_valid"]
        loss = inertial_loss(out.joints_imu, truth, valid, self._loss.form)
        error = (out.joints_imu.detach() - truth).norm(dim=-1)[valid > 0]
        return loss, {"mpjpe_mm": _MM * error.mean()}

    def finish(self) -> None:
        """Solve the last layers for whole stretches: as recorded, and with losses on others."""
        stage, head = self.inertial, self.inertial.head[-1]
        assert isinstance(head, torch.nn.Linear)
        rows = _SOLVED_VERSIONS * len(self._data)
        solve_last_layers([stage.direct, head], self._wanted_offsets(), rows)

    def _wanted_offsets(self) -> Iterator[tuple[Tensor, Tensor]]:
        stage = self.inertial
        device = stage.mean_pose.device
        rng = np.random.default_rng(_SOLVED_VERSIONS)
        for group in _groups(self._data):
            made = [self._versions_of(stretch, rng) for stretch in group]
            x, wanted = (
                torch.from_numpy(_padded(parts)).flatten(0, 1).to(device)
                for parts in zip(*made, strict=True)
            )
            counts = np.tile([features.shape[1] for features, _ in made], _SOLVED_VERSIONS)
            is_frame = torch.arange(x.shape[1]) < torch.from_numpy(counts)[:, None]
            if stage.upright is not None:
                wanted = wanted @ stage.upright.rotation(x).transpose(-1, -2)
            stage(x)
            yield (wanted - stage.mean_pose).flatten(-2), is_frame.to(device)

    def _versions_of(
        self, stretch: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features (K, T, N, 16) and joints (K, T, J, 3): as recorded, and of other wearers."""
        sequence = self._data.sequence_of[self._data.stretches[stretch]]
        frames = self._data.of_stretch(stretch)
        features = augmented_features(frames, _SOLVED_VERSIONS, self._augment, rng)
        truth = np.repeat(frames.joints_local[None], _SOLVED_VERSIONS, axis=0)
        turns = np.repeat(self._turns[None, sequence], _SOLVED_VERSIONS - 1, axis=0)
        features[1:], truth[1:] = on_other_wearers(
            features[1:], truth[1:], turns, self._augment, rng
        )
        return features, truth

    def _errors(self, held_out: Frames) -> dict[str, float]:
        versions = {"val_mpjpe_mm": held_out.imu_features}
        if self._augment.measured_straps:
            rng = np.random.default_rng(0)
            versions["val_straps_mpjpe_mm"] = straps_measured(
                held_out.imu_features[None], held_out, rng
            )[0]
        joints = run_inertial(self.inertial, held_out, np.stack(list(versions.values())))
        error = np.linalg.norm(joints.joints_imu - held_out.joints_local, axis=-1)
        return {name: _MM * float(e.mean()) for name, e in zip(versions, error, strict=True)}


class InertialCache(NamedTuple):
    """What a frozen inertial stage gives for K versions of the same frames."""

    joints_imu: NDArray[np.float32]
    """(K, F, J, 3) metres, left-camera frame."""
    tokens: NDArray[np.float32]
    """(K, F, N, D)."""
    features: NDArray[np.float32]
    """(K, F, N, 16): what they are made of."""


def augmented_features(
    frames: Frames, versions: int, augment: AugmentConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    """(versions, F, N, 16): the first as recorded, the others noisy and with losses."""
    out = np.repeat(frames.imu_features[None], versions, axis=0)
    for start, end in zip(frames.stretches[:-1], frames.stretches[1:], strict=True):
        for first in range(start, end, _DROPOUT_FRAMES):
            part = slice(first, min(first + _DROPOUT_FRAMES, end))
            noisy = jitter_devices(out[1:, part], augment, rng, frames.step_s[start])
            out[1:, part] = drop_devices(noisy, augment.device_dropout, rng)
    return out


def straps_measured(
    features: NDArray[np.float32], frames: Frames, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Versions ``features`` (K, F, N, 16) of ``frames`` whose wearers had their straps measured,
    each wearer of each version by a stand of its own."""
    turns = strap_turns(frames.imu_features, frames.joints_local, frames.starts)
    each = [turns @ stand_errors(len(turns), rng) for _ in features]
    return with_straps_measured(features, np.stack(each)[:, frames.sequence_of])


def every_other_measured(
    features: NDArray[np.float32], frames: Frames, rng: np.random.Generator
) -> NDArray[np.float32]:
    """``features`` (K, F, N, 16), of every other sequence with its straps measured: of the others
    in the next version."""
    measured = (np.arange(len(features))[:, None] + frames.sequence_of) % 2 == 1
    return np.where(measured[..., None, None], straps_measured(features, frames, rng), features)


def _groups(frames: Frames) -> list[NDArray[np.int64]]:
    """The stretches, in groups of about equal length."""
    order = np.argsort(np.diff(frames.stretches), kind="stable")
    return np.array_split(order, -(-len(order) // _STRETCHES_AT_ONCE))


def _padded(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """``parts``, (K, T, ...) of each of S stretches: (K, S, T, ...), zero after the end."""
    versions, _, *rest = parts[0].shape
    longest = max(part.shape[1] for part in parts)
    padded = np.zeros((versions, len(parts), longest, *rest), np.float32)
    for row, part in enumerate(parts):
        padded[:, row, : part.shape[1]] = part
    return padded


@torch.inference_mode()
def run_inertial(
    stage: torch.nn.Module, frames: Frames, features: NDArray[np.float32]
) -> InertialCache:
    """Run the inertial stage over each whole stretch of ``features`` (K, F, N, 16)."""
    versions = len(features)
    device = next(stage.parameters()).device
    joints, tokens = None, None
    for group in _groups(frames):
        ends = zip(frames.stretches[group], frames.stretches[group + 1], strict=True)
        padded = _padded([features[:, start:end] for start, end in ends])
        out = stage(torch.from_numpy(padded).flatten(0, 1).to(device))
        came = out.joints_imu.float().unflatten(0, (versions, -1)).cpu().numpy()
        came_tokens = out.tokens.float().unflatten(0, (versions, -1)).cpu().numpy()
        if joints is None or tokens is None:
            joints = np.empty((versions, len(frames), *came.shape[3:]), np.float32)
            tokens = np.empty((versions, len(frames), *came_tokens.shape[3:]), np.float32)
        for row, stretch in enumerate(group):
            start, end = frames.stretches[stretch], frames.stretches[stretch + 1]
            joints[:, start:end] = came[:, row, : end - start]
            tokens[:, start:end] = came_tokens[:, row, : end - start]
    assert joints is not None and tokens is not None
    return InertialCache(joints, tokens, features)
