"""Stage 2 with nothing frozen: images and readings to joints, all weights trained by Eq. 11."""

import numpy as np
import torch
from torch import Tensor

from same_model.data.leg_straps import stand_errors, strap_turns, with_straps_measured
from same_model.network.inertial import LstmState
from same_model.training.data.augment import (
    drop_devices,
    drop_views,
    jitter_devices,
    jitter_rays,
    photometric,
)
from same_model.training.data.dataset import Frames, normalised
from same_model.training.data.fusion_inputs import paper_fusion
from same_model.training.data.windows import newest_errors, window_batch, window_loss
from same_model.training.stages.stage import Batch, Stage, StageSetup

_INPUTS = (
    "images",
    "view_valid",
    "rays",
    "origins",
    "axes",
    "T_anchor_cam",
    "time_offset_s",
    "window_valid",
)


class EndToEndTraining(Stage[Frames]):
    """Trains all of ``SameModel``. The inertial stage runs over a stretch before the window, its
    length random, so that the window meets recurrent states of every age. Half of the wearers have
    had their leg straps measured where the network is told."""

    def __init__(self, setup: StageSetup[Frames]) -> None:
        super().__init__(setup)
        paper_fusion(setup.model)
        self.model = setup.model
        self.frames_per_step = setup.batch * self._window
        self.frames_in_total = len(setup.data)
        frames, told = setup.data, setup.model.config.use_leg_straps
        self._turns = (
            strap_turns(frames.imu_features, frames.joints_local, frames.starts) if told else None
        )

    def make_batch(self, rng: np.random.Generator) -> Batch:
        frames, config = self._data, self.model.config
        last = rng.integers(len(frames), size=self._batch)
        rows = frames.window_rows(last, self._window)
        length = int(rng.integers(self._window, max(self._window, self._stretch) + 1))
        features = frames.imu_features[frames.window_rows(last, length)]
        if self._turns is not None:
            measured = last % 2 == 1
            turns = self._turns[frames.sequence_of[last[measured]]]
            turns = turns @ stand_errors(len(turns), rng)
            features[measured] = with_straps_measured(features[measured], turns[:, None])
        features = jitter_devices(features, self._augment, rng, frames.step_s[last])
        features = drop_devices(features, self._augment.device_dropout, rng)
        view_valid = torch.from_numpy(
            drop_views(self._batch, self._window, self._augment.view_dropout, rng)
        )
        images = torch.from_numpy(frames.images[rows]).float()
        images = photometric(images.flatten(0, 1), self._augment.photometric, rng)
        images = normalised(images.unflatten(0, rows.shape), config)
        sequences = frames.sequence_of[last]
        rays, origins = jitter_rays(
            torch.from_numpy(frames.rays[sequences]),
            torch.from_numpy(frames.origins[sequences]),
            self._augment.calibration_deg,
            rng,
        )
        return {
            "images": images * view_valid[..., None, None, None],
            "view_valid": view_valid,
            "imu_features": torch.from_numpy(features),
            "rays": rays,
            "origins": origins,
            "axes": torch.from_numpy(frames.axes[sequences]),
            **window_batch(frames, last, rows, rng),
        }

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        before, window = batch["imu_features"].tensor_split([-self._window], dim=1)
        state: LstmState | None = None
        if before.shape[1]:
            state = self.model.inertial(before).state
        output = self.model(
            imu_features=window,
            state=state,
            in_bfloat16=self._in_bfloat16,
            **{name: batch[name] for name in _INPUTS},
        )
        return window_loss(output.joints_anchor, output.joints_local, batch, self._loss)

    def _errors(self, held_out: Frames) -> dict[str, float]:
        device, config = next(self.model.parameters()).device, self.model.config
        newest = np.empty_like(held_out.joints_local)
        for start, end in zip(held_out.stretches[:-1], held_out.stretches[1:], strict=True):
            rows, sequence = slice(start, end), held_out.sequence_of[start]
            arrays = (
                np.ones((end - start, 2), np.float32),
                held_out.imu_features[rows],
                held_out.rays[sequence],
                held_out.origins[sequence],
                held_out.axes[sequence],
                held_out.T_anchor_cam[rows],
                held_out.time_offset_s[rows],
                held_out.window_valid[rows],
            )
            out = self.model.forward_sequence(
                normalised(torch.from_numpy(held_out.images[rows]).float().to(device), config),
                *(torch.from_numpy(array).to(device) for array in arrays),
            )
            newest[rows] = out.joints_anchor.cpu().numpy()
        return newest_errors(newest, held_out)
