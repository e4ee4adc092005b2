"""An engine in a wrapper works as it does without one, and can be watched."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from cpu_device import ArrayOnDevice, cpu_engine
from engine_inputs import fill_inputs

from same_engines import Bundle, Engine, EngineWrapper, open_engine
from same_engines.bundle.manifest import STAGES
from same_engines.errors import EngineError


class Noting(EngineWrapper):
    def __init__(self, inner: Engine) -> None:
        super().__init__(inner)
        self.runs: list[str] = []

    def run(self, stage: str) -> None:
        self.runs.append(stage)
        super().run(stage)

    def run_frame(self, with_images: bool = True) -> None:
        if self.runs_frames_whole:
            self.runs.append("frame")
        super().run_frame(with_images)


@contextmanager
def by_stage(bundle: Path) -> Iterator[Engine]:
    with open_engine(Bundle.open(bundle), "onnxruntime", threads=1) as engine:
        yield engine


@contextmanager
def whole(bundle: Path) -> Iterator[Engine]:
    with cpu_engine(Bundle.open(bundle)) as (engine, _):
        yield engine


def joints_of_frames(engine: Engine) -> np.ndarray:
    found = []
    for index in range(3):
        fill_inputs(engine, index)
        engine.peek("inertial")
        engine.run_frame(with_images=index != 1)
        found.append(engine.host_output("joints_anchor").copy())
    engine.reset_state()
    engine.warm_up(1)
    fill_inputs(engine, 5)
    for stage in STAGES:
        engine.run(stage)
    return np.stack([*found, engine.host_output("joints_anchor")])


@pytest.mark.parametrize("opened", [by_stage, whole])
def test_it_computes_what_the_engine_does(tiny_bundle: Path, opened: Callable) -> None:
    with opened(tiny_bundle) as engine:
        expected = joints_of_frames(engine)
    with opened(tiny_bundle) as engine:
        wrapped = EngineWrapper(EngineWrapper(engine))
        assert (wrapped.backend, wrapped.precision) == (engine.backend, engine.precision)
        np.testing.assert_array_equal(joints_of_frames(wrapped), expected)


def test_stages_go_through_run_and_whole_frames_through_run_frame(tiny_bundle: Path) -> None:
    for opened, frame, blind in (
        (by_stage, list(STAGES), list(STAGES[1:])),
        (whole, ["frame"], ["frame"]),
    ):
        with opened(tiny_bundle) as engine:
            wrapper = Noting(EngineWrapper(engine))
            wrapper.run_frame()
            assert wrapper.runs == frame
            wrapper.run_frame(with_images=False)
            assert wrapper.runs == frame + blind


def test_what_an_engine_has_beyond_the_interface_passes_through(tiny_bundle: Path) -> None:
    with whole(tiny_bundle) as engine:
        wrapper = EngineWrapper(engine)
        images = np.ascontiguousarray(wrapper.host_input("images"))
        wrapper.device_input("images", ArrayOnDevice(images))
        with pytest.raises(EngineError, match="not a host input"):
            wrapper.device_input("joints_local", ArrayOnDevice(images))
        with pytest.raises(AttributeError, match="sideways"):
            wrapper.sideways()


def test_it_owns_the_engine(tiny_bundle: Path) -> None:
    engine = open_engine(Bundle.open(tiny_bundle), "onnxruntime", threads=1)
    with EngineWrapper(engine):
        engine.run("inertial")
    with pytest.raises(EngineError):
        engine.run("inertial")


def test_a_copy_is_of_the_same_engine(tiny_bundle: Path) -> None:
    with by_stage(tiny_bundle) as engine:
        assert copy.copy(EngineWrapper(engine)).inner is engine
