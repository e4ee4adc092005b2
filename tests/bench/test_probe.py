"""The probe times the very path that runs without it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from cpu_device import cpu_engine
from engine_inputs import fill_inputs

from same_bench.measuring.probe import (
    NETWORK,
    PARTS,
    WHOLE_NETWORK,
    Probe,
    ProbedEngine,
    ProbedTracker,
)
from same_engines import Bundle, Engine
from same_engines.bundle.manifest import STAGES


def timed_parts(probe: Probe) -> set[str]:
    return {name for name, ns in zip(PARTS, probe.part_ns, strict=True) if ns}


def test_an_engine_that_runs_a_frame_as_one_is_timed_as_one(tiny_bundle: Path, clip, clock) -> None:
    clock.tick_ns = 1
    with cpu_engine(Bundle.open(tiny_bundle)) as (engine, device):
        tracker = ProbedTracker(tiny_bundle, engine, clip.rig, clock=clock)
        tracker.push(*clip.sample(0, 10**9))
        launches = device.launches
        tracker.probe.start_frame()
        tracker.push(*clip.sample(1, 10**9 + clip.period_ns))
        assert device.launches == launches + 1, "a frame is one recorded graph"
        assert timed_parts(tracker.probe) & set(NETWORK) == {WHOLE_NETWORK}


def test_an_engine_that_runs_stage_by_stage_is_timed_by_stage(slow_tracker, clip) -> None:
    tracker = slow_tracker(lambda _: 1_000_000)
    tracker.probe.start_frame()
    tracker.push(*clip.sample(0, 10**9))
    assert timed_parts(tracker.probe) & set(NETWORK) == set(STAGES)


def test_a_look_ahead_leaves_the_state_alone_through_the_probe(tiny_bundle: Path, clock) -> None:
    def joints(act: Callable[[Engine], None]) -> np.ndarray:
        with cpu_engine(Bundle.open(tiny_bundle)) as (engine, _):
            probed = ProbedEngine(engine, Probe(clock))
            fill_inputs(probed, 0)
            probed.run_frame()
            act(probed)
            fill_inputs(probed, 1)
            probed.run_frame()
            return probed.host_output("joints_anchor").copy()

    expected = joints(lambda engine: None)
    np.testing.assert_array_equal(joints(lambda engine: engine.peek("temporal")), expected)
    moved = joints(lambda engine: engine.run("temporal"))
    assert np.abs(moved - expected).max() > 1e-6
