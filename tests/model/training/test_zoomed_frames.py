"""What training sees of images whose middle is denser fits together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import TINY
from tiny_sequence import write_sequence

from same_model.data.recorded_inputs import read_images
from same_model.data.sequence import SequenceReader
from same_model.network.deform_attn import sample_bilinear
from same_model.training.data.dataset import load_frames, normalised
from same_runtime._core import ImagePreprocessor
from same_runtime.camera import CameraRig

ZOOMED = replace(TINY, column_zoom=1.8, row_zoom=1.5)


@pytest.fixture
def sequence(tmp_path: Path, small_rig: CameraRig) -> SequenceReader:
    return write_sequence(tmp_path / "one", small_rig, 20)


def test_rays_at_2d_joints_lead_to_the_joints(sequence: SequenceReader) -> None:
    frames = load_frames([sequence], ZOOMED, False, "")
    inside = frames.visible[:, 0] > 0
    rays = torch.from_numpy(frames.rays[:, 0]).expand(len(frames), -1, -1, -1)
    places = torch.from_numpy(frames.joints_2d[:, 0])[:, :, None]
    found = sample_bilinear(rays, places).reshape(len(frames), 3, -1).swapaxes(1, 2).numpy()
    true = frames.joints_local / np.linalg.norm(frames.joints_local, axis=-1, keepdims=True)
    # Between four pixels of a map of 16 x 12 rays are straight to a few degrees.
    whole = inside & (np.linalg.norm(found, axis=-1) > 0.9)
    assert whole.sum() > 50
    off_deg = np.degrees(np.linalg.norm(found - true, axis=-1)[whole])
    evenly = load_frames([sequence], TINY, False, "").joints_2d
    assert (np.abs(frames.joints_2d - evenly)[frames.visible > 0].max(axis=0) > 0.4).all()
    assert np.median(off_deg) < 2


@pytest.mark.parametrize("narrow", [False, True])
def test_images_are_the_trackers(sequence: SequenceReader, narrow: bool) -> None:
    """Also where recordings have the network's own width."""
    height, width = sequence.images.shape[-2:]
    size = {"input_width": width, "input_height": height} if narrow else {}
    config = replace(ZOOMED, **size)
    given = read_images(sequence, np.arange(20), config)
    preprocess = ImagePreprocessor(
        height,
        width,
        config.input_height,
        config.input_width,
        config.image_mean,
        config.image_std,
        config.column_zoom,
        config.row_zoom,
    )
    expected = np.empty(given.shape[-2:], np.float32)
    preprocess(sequence.images[7, 1], expected)
    np.testing.assert_array_equal(given[7, 1, 0], expected)
    frames = load_frames([sequence], config, True, "")
    trained = normalised(torch.from_numpy(frames.images).float(), config).numpy()
    np.testing.assert_allclose(trained, given, atol=0.51 / 255 / config.image_std)
