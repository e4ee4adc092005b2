"""The GPU engine's own logic on a device made of host memory, against the CPU engine."""

import logging
from pathlib import Path

import numpy as np
import pytest
from cpu_device import ArrayOnDevice, cpu_engine
from engine_inputs import fill_inputs

from same_engines import Bundle, open_engine
from same_engines.engine import Engine
from same_engines.errors import EngineError


def run_frames(engine: Engine, frames: range) -> list[np.ndarray]:
    """The seventh and eighth frame of ten have no images."""
    poses = []
    joints = engine.host_output("joints_anchor")
    for frame in frames:
        fill_inputs(engine, frame)
        engine.run_frame(with_images=frame % 10 not in (6, 7))
        poses.append(joints.copy())
    return poses


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("can_record", [True, False])
def test_frames_equal_those_of_the_cpu_engine(
    tiny_bundle: Path, precision: str, can_record: bool
) -> None:
    bundle = Bundle.open(tiny_bundle)
    with open_engine(bundle, "onnxruntime", precision, threads=1) as reference:
        expected = run_frames(reference, range(10))
    with cpu_engine(bundle, precision, can_record) as (engine, _):
        first = run_frames(engine, range(10))
        engine.reset_state()
        again = run_frames(engine, range(10))
    # Half-precision kernels may be chosen by a buffer's alignment, hence no equality of bits.
    np.testing.assert_allclose(first, expected, atol=1e-5 if precision == "fp32" else 2e-3)
    np.testing.assert_allclose(again, first, atol=1e-5 if precision == "fp32" else 2e-3)


def test_a_stream_of_frames_is_one_graph_launched_again(tiny_bundle: Path) -> None:
    with cpu_engine(Bundle.open(tiny_bundle)) as (engine, device):
        engine.warm_up()
        recorded = device.records
        engine.host_output("joints_anchor")
        for frame in range(20):
            fill_inputs(engine, frame)
            engine.run_frame()
        assert device.records == recorded + 1
        assert device.launches >= 20
        assert device.forks > 0


def test_a_device_that_cannot_record_is_announced_and_used(
    tiny_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING, "same"),
        cpu_engine(Bundle.open(tiny_bundle), can_record=False) as (engine, _),
    ):
        engine.warm_up()
        engine.run_frame()
    assert [record.message for record in caplog.records] == [
        "cpu-test: running without CUDA graphs: GPU: recording a graph failed: not permitted"
    ]


def test_peeking_leaves_the_state(tiny_bundle: Path) -> None:
    with cpu_engine(Bundle.open(tiny_bundle)) as (engine, _):
        joints = engine.host_output("joints_imu")
        fill_inputs(engine, 0)
        engine.run("inertial")
        engine.peek("inertial")
        peeked = joints.copy()
        engine.peek("inertial")
        np.testing.assert_array_equal(joints, peeked)
        engine.run("inertial")
        np.testing.assert_array_equal(joints, peeked)
        engine.run("inertial")
        assert np.abs(joints - peeked).max() > 1e-6, "state is not carried"


def test_arrays_on_the_device_are_read_in_place(tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    with cpu_engine(bundle) as (engine, device), cpu_engine(bundle) as (by_host, _):
        for one in (engine, by_host):
            fill_inputs(one, 3)
        images = engine.host_input("images").copy()
        ours = ArrayOnDevice(np.zeros_like(images), stream=1)
        engine.device_input("images", ours)
        assert device.waits == 1
        for frame in range(3):  # written in place between frames, never handed over again
            ours.array[:] = images + frame
            by_host.host_input("images")[:] = images + frame
            engine.run_frame()
            by_host.run_frame()
            np.testing.assert_array_equal(
                engine.host_output("joints_anchor"), by_host.host_output("joints_anchor")
            )
        engine.host_input("images")[:] = images  # back to host arrays
        by_host.host_input("images")[:] = images
        ours.array.fill(np.nan)
        engine.run_frame()
        by_host.run_frame()
        np.testing.assert_array_equal(
            engine.host_output("joints_anchor"), by_host.host_output("joints_anchor")
        )


def test_rotating_arrays_are_recorded_once_each(tiny_bundle: Path) -> None:
    with cpu_engine(Bundle.open(tiny_bundle)) as (engine, device):
        fill_inputs(engine, 0)
        like = engine.host_input("images").copy()
        arrays = [ArrayOnDevice(like.copy()) for _ in range(3)]
        before = device.records
        for turn in range(9):
            engine.device_input("images", arrays[turn % 3])
            engine.run_frame()
        assert device.records == before + 3
        for array in [ArrayOnDevice(like.copy()) for _ in range(40)]:
            engine.device_input("images", array)
            engine.run_frame()
        assert len(engine._recorded) <= 16


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros(3), "__cuda_array_interface__"),
        (ArrayOnDevice(np.zeros((2, 1, 5, 5), np.float32)), "expected float32"),
        (ArrayOnDevice(np.zeros((2, 1, 48, 64), np.float64)), "got float64"),
        (ArrayOnDevice(np.zeros((2, 1, 64, 48), np.float32).swapaxes(2, 3)), "C-contiguous"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_and_nothing_changes(
    tiny_bundle: Path, array: object, said: str
) -> None:
    with cpu_engine(Bundle.open(tiny_bundle)) as (engine, _):
        fill_inputs(engine, 1)
        with pytest.raises(EngineError, match=said):
            engine.device_input("images", array)
        engine.run_frame()
        assert np.isfinite(engine.host_output("joints_anchor")).all()


def test_wrong_names_and_closed_engines_are_refused(tiny_bundle: Path) -> None:
    with cpu_engine(Bundle.open(tiny_bundle)) as (engine, device):
        for name in ("features", "lstm_h", "nothing"):
            with pytest.raises(EngineError, match="not a host input"):
                engine.host_input(name)
            with pytest.raises(EngineError, match="not a host input"):
                engine.device_input(name, object())
        with pytest.raises(EngineError, match="not an output"):
            engine.host_output("images")
        with pytest.raises(EngineError, match="expected one of"):
            engine.run("sideways")
        engine.close()
        engine.close()
        assert device.closed
        with pytest.raises(EngineError, match="open engine"):
            engine.run_frame()
