"""The engine's contract: named tensors, carried state, typed errors."""

import time
from pathlib import Path

import numpy as np
import pytest
from engine_inputs import fill_inputs

from same_engines import Bundle, open_engine
from same_engines.bundle.manifest import STAGES
from same_engines.errors import BundleError, EngineError
from same_engines.host_engine import HostEngine


def run_frames(engine, frames: int) -> list[np.ndarray]:
    poses = []
    for frame in range(frames):
        fill_inputs(engine, frame)
        for stage in STAGES:
            engine.run(stage)
        poses.append(engine.host_output("joints_anchor").copy())
    return poses


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_reset_starts_the_stream_again_bit_for_bit(tiny_bundle: Path, precision: str) -> None:
    with open_engine(Bundle.open(tiny_bundle), precision=precision) as engine:
        engine.warm_up()
        first = run_frames(engine, 5)
        engine.reset_state()
        again = run_frames(engine, 5)
        carried = run_frames(engine, 5)
    np.testing.assert_array_equal(first, again)
    assert np.abs(np.array(carried) - first).max() > 1e-6, "state is not carried"
    assert np.isfinite(first).all()


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_carried_outputs_are_those_of_the_last_run(tiny_bundle: Path, backend: str) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    bundle = Bundle.open(tiny_bundle)
    states = [t.name for t in bundle.graph("fp32", "inertial").outputs if t.name.endswith("_next")]
    assert states
    with open_engine(bundle, backend, threads=1) as engine:
        assert isinstance(engine, HostEngine)
        for frame in range(5):
            fill_inputs(engine, frame)
            engine.run("inertial")
            carried = engine.next_inputs("inertial")
            for name in states:
                expected = carried[name.removesuffix("_next")]
                np.testing.assert_array_equal(engine.host_output(name), expected)
                assert expected.any()
        fill_inputs(engine, 5)
        engine.peek("inertial")
        peeked = {name: engine.host_output(name).copy() for name in states}
        engine.run("inertial")
        for name in states:
            np.testing.assert_array_equal(engine.host_output(name), peeked[name])


def test_threads_do_not_change_the_result(tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    with open_engine(bundle, threads=1) as one, open_engine(bundle, threads=2) as two:
        np.testing.assert_allclose(run_frames(one, 3), run_frames(two, 3), atol=1e-5)


def test_wrong_names_are_refused(tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    with pytest.raises(EngineError, match="expected auto, tensorrt, .*, qnn, .*; got 'npu'"):
        open_engine(bundle, backend="npu")
    with pytest.raises(EngineError, match="threads"):
        open_engine(bundle, threads=0)
    with pytest.raises(BundleError, match="no int8 graph"):
        open_engine(bundle, precision="int8")
    with open_engine(bundle) as engine:
        with pytest.raises(EngineError, match="not a host input"):
            engine.host_input("features")
        with pytest.raises(EngineError, match="not an output"):
            engine.host_output("images")
        with pytest.raises(EngineError, match="expected one of"):
            engine.run("sideways")


def test_a_closed_engine_says_so(tiny_bundle: Path) -> None:
    engine = open_engine(Bundle.open(tiny_bundle))
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="open engine"):
        engine.run("visual")


def test_its_threads_sleep_between_frames(tiny_bundle: Path) -> None:
    with open_engine(Bundle.open(tiny_bundle), "onnxruntime", threads=2) as engine:
        fill_inputs(engine, 0)
        for _ in range(3):
            engine.run_frame()
        before_s = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - before_s < 0.25, "a thread spins while nothing is to do"
