"""The live benchmark's parts: missed ticks are found and explained, devices keep their rates."""

from collections import Counter

import numpy as np
import pytest

from same_bench.live.deadlines import judge_ticks
from same_bench.live.endless_devices import STREAMS, EndlessDevices
from same_runtime.demo import demo_recording
from same_runtime.recording import Recording

MS = 1_000_000


def judged(ready_ms: list[float], late_ms: list[float], runs_ms: list[tuple[float, float]]):
    as_ns = [np.rint(np.array(x) * MS).astype(np.int64) for x in (ready_ms, late_ms, runs_ms)]
    return judge_ticks(as_ns[0], as_ns[1], 10 * MS, as_ns[2].reshape(-1, 2))


def test_a_tick_in_time_is_not_missed() -> None:
    ticks = judged([101, 115, 121], [1, 5, 1], [])
    assert not ticks.missed.any()
    np.testing.assert_array_equal(ticks.due_ns, np.array([100, 110, 120]) * MS)


def test_the_networks_time_explains_what_it_covers() -> None:
    # 25 ms late while the network ran for 18 of them; then 25 ms late with 3 ms of network.
    ticks = judged([125, 175], [25, 25], [(90, 118), (160, 163)])
    np.testing.assert_array_equal(ticks.network_ns[[0, -1]], np.array([18, 3]) * MS)
    assert ticks.missed[[0, -1]].all()
    assert not ticks.unexplained[0] and ticks.unexplained[-1]


def test_skipped_ticks_are_missed_ticks_of_the_next_pose() -> None:
    ticks = judged([101, 142, 151], [1, 2, 1], [(101, 141)])
    np.testing.assert_array_equal(ticks.due_ns, np.array([100, 110, 120, 130, 140, 150]) * MS)
    np.testing.assert_array_equal(ticks.late_ns, np.array([1, 32, 22, 12, 2, 1]) * MS)
    assert ticks.missed.sum() == 3 and not ticks.unexplained.any()
    assert judged([101, 142], [1, 2], []).unexplained.sum() == 3


@pytest.fixture(scope="module")
def devices() -> EndlessDevices:
    return EndlessDevices(Recording(demo_recording()), 200.0)


def test_devices_keep_their_rates_for_as_long_as_wanted(devices: EndlessDevices) -> None:
    seconds = 3 * devices.round_ns // 1_000_000_000
    events = list(devices.events(seconds * 1_000_000_000))
    counts = Counter(STREAMS[event.stream] for _, event in events)
    for name, rate in (("frame", 30), ("head", 90), ("ctrl_left", 90), ("leg_right", 200)):
        assert counts[name] == pytest.approx(seconds * rate, rel=0.03)
    assert len(events) <= devices.samples_in(seconds * 1_000_000_000)
    for stream in range(len(STREAMS)):
        times = np.array([t for t, event in events if event.stream == stream])
        assert (np.diff(times) > 100_000).all()
        assert np.diff(times).max() < 60 * MS


def test_the_way_back_is_the_way_there(devices: EndlessDevices) -> None:
    events = [e for _, e in devices.events(2 * devices.round_ns)]
    half = len(events) // 2
    assert [e.offset_ns for e in events[:half]] == [e.offset_ns for e in events[half:]][::-1]
