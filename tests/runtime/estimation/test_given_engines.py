"""Engines that the application brings: what they must be, and what their failures leave."""

from pathlib import Path

import numpy as np
import pytest

from same_engines import Bundle, EngineWrapper, open_engine
from same_engines.errors import EngineError
from same_runtime import SamePoseTracker, StereoFrame

MS = 10**6
START_NS = 10**9


class Faulty(EngineWrapper):
    """Gives other arrays than ``inner``'s, and fails as often as it is told to."""

    def __init__(self, bundle: Path, arrays: dict[str, object] | None = None) -> None:
        super().__init__(open_engine(Bundle.open(bundle)))
        self.arrays, self.failing_resets, self.resets = arrays or {}, 0, 0
        self.closed = False

    def host_input(self, name: str) -> np.ndarray:
        return self.arrays.get(name, super().host_input(name))  # type: ignore[return-value]

    def host_output(self, name: str) -> np.ndarray:
        return self.arrays.get(name, super().host_output(name))  # type: ignore[return-value]

    def reset_state(self) -> None:
        if self.failing_resets:
            self.failing_resets -= 1
            raise EngineError("cannot forget")
        self.resets += 1
        super().reset_state()

    def close(self) -> None:
        self.closed = True
        super().close()


def read_only(*shape: int) -> np.ndarray:
    return np.frombuffer(bytes(4 * int(np.prod(shape))), np.float32).reshape(shape)


@pytest.mark.parametrize(
    ("name", "array", "got"),
    [
        ("view_valid", np.zeros(2), "float64"),
        ("view_valid", [0.0, 0.0], "list"),
        ("view_valid", None, "NoneType"),
        ("view_valid", np.zeros(4, np.float32)[::2], "float32, not contiguous"),
        ("view_valid", read_only(2), "float32, read-only"),
        ("view_valid", np.zeros(2, ">f4"), ">f4"),
        ("view_valid", np.zeros(1, np.float32), "1 in 1"),
        ("view_valid", np.zeros((2, 1), np.float32), "2 in 2"),
        ("images", np.zeros((), np.float32), "1 in 0"),
        ("images", np.zeros((1, 1, 96, 128), np.float32), "12288 in 4"),
        ("imu_features", np.zeros((5, 3), np.float32), "15 in 2"),
        ("T_anchor_cam", np.zeros((1, 4, 4), np.float32), "16 in 3"),
        ("time_offset_s", np.zeros(0, np.float32), "0 in 1"),
        ("window_valid", np.zeros(1, np.float32), "1 in 1"),
        ("rays", np.zeros((2, 1, 4, 4), np.float32), "32 in 4"),
        ("origins", np.zeros(1, np.float32), "1 in 1"),
        ("joints_anchor", np.zeros((1, 22, 3), np.float32), "66 in 3"),
        ("joint_confidence", np.zeros(3, np.float32), "3 in 1"),
    ],
)
def test_arrays_that_cannot_be_the_networks_are_named(
    tiny_bundle: Path, name: str, array: object, got: str
) -> None:
    engine = Faulty(tiny_bundle, {name: array})
    with pytest.raises(EngineError, match=f"{name}: expected .* got {got}"):
        SamePoseTracker(tiny_bundle, backend=engine)
    assert engine.closed


def push(tracker: SamePoseTracker, time_ns: int) -> np.ndarray:
    tracker.ingest.head(time_ns, (0.0, 1.6, 0.0), (0.0, 0.0, 0.0, 1.0))
    return tracker.push_frame(StereoFrame(time_ns, None, None)).joints_world


def test_what_an_engine_could_not_forget_is_forgotten_before_the_next_frame(
    tiny_bundle: Path,
) -> None:
    engine, fresh = Faulty(tiny_bundle), SamePoseTracker(tiny_bundle)
    with SamePoseTracker(tiny_bundle, backend=engine) as tracker, fresh:
        for step in range(6):
            push(tracker, START_NS + step * 30 * MS)
        engine.failing_resets, engine.resets = 1, 0
        with pytest.raises(EngineError, match="cannot forget"):
            tracker.reset()
        joints = push(tracker, START_NS + 200 * MS)
        assert engine.resets == 1
        np.testing.assert_allclose(joints, push(fresh, START_NS + 200 * MS), atol=1e-5)


def test_an_engine_that_another_tracker_owns_is_refused_and_goes_on(tiny_bundle: Path) -> None:
    engine = Faulty(tiny_bundle)
    with SamePoseTracker(tiny_bundle, backend=engine) as tracker:
        with pytest.raises(EngineError, match="another tracker's"):
            SamePoseTracker(tiny_bundle, backend=engine)
        assert not engine.closed
        push(tracker, START_NS)
