"""The bundle in tests/fixtures is what the network and the exporter make now."""

import numpy as np
import pytest
import torch
from tiny_model import smallest_model

from same_bench.measuring.made_up_stream import made_up_stream
from same_engines import Bundle
from same_engines.bundle.manifest import STAGES
from same_export.parity import check_parity
from same_export.stages import export_stage, for_precision
from same_runtime import SamePoseTracker
from same_runtime.camera import CameraRig
from same_runtime.samples import ImuFrame, StereoFrame

REMAKE = "out of date: run python tests/support/make_tiny_bundle.py"


def test_it_is_current(tiny_bundle, small_rig: CameraRig) -> None:
    bundle, model = Bundle.open(tiny_bundle), smallest_model()
    assert dict(bundle.manifest.config.network) == model.config.to_dict(), REMAKE
    assert CameraRig.from_dict(bundle.manifest.rig).to_dict() == small_rig.to_dict(), REMAKE
    for precision in bundle.precisions():
        check_parity(bundle, model, small_rig, precision)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_exporting_again_gives_the_same_graphs(tiny_bundle, precision: str) -> None:
    bundle, model = Bundle.open(tiny_bundle), for_precision(smallest_model(), precision)
    for stage in STAGES:
        graph, spec = export_stage(model, stage), bundle.graph(precision, stage)
        assert (graph.inputs, graph.outputs) == (spec.inputs, spec.outputs), REMAKE
        if bundle.manifest.tools["torch"] == torch.__version__:
            assert graph.content == bundle.graph_bytes(precision, stage), REMAKE


def test_it_is_small_and_uses_every_input(tiny_bundle) -> None:
    assert sum(file.stat().st_size for file in tiny_bundle.iterdir()) < 235_000
    without = {
        "images": lambda frame, imu: (StereoFrame(frame.timestamp_ns, None, None), imu),
        "left": lambda frame, imu: (StereoFrame(frame.timestamp_ns, None, frame.right), imu),
        "controllers": lambda frame, imu: (
            frame,
            ImuFrame(imu.timestamp_ns, imu.head, None, None, imu.leg_left, imu.leg_right),
        ),
        "legs": lambda frame, imu: (
            frame,
            ImuFrame(imu.timestamp_ns, imu.head, imu.ctrl_left, imu.ctrl_right, None, None),
        ),
    }

    def last_joints(change) -> np.ndarray:
        with SamePoseTracker(tiny_bundle) as tracker:
            stream = made_up_stream(tracker.rig, 10)
            return [tracker.push(*change(*sample)).joints_world for sample in stream][-1]

    everything = last_joints(lambda frame, imu: (frame, imu))
    for name, change in without.items():
        moved_mm = 1e3 * np.linalg.norm(last_joints(change) - everything, axis=1).max()
        assert moved_mm > 5.0, f"{name} hardly matter"
