"""Whatever a tracker calls may call the tracker: nothing waits for itself."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tracker_program import run_program
from waiting import wait_until

from same_engines import Bundle, EngineWrapper, open_engine
from same_engines.errors import SameError
from same_runtime import Observer, Pose, SamePoseTracker, StereoFrame
from same_runtime.live.options import LiveOptions

MS = 10**6
START_NS = 10**9
UPRIGHT = (0.0, 0.0, 0.0, 1.0)


class Calling(Observer):
    """Calls once what it is told to, after an estimate."""

    def __init__(self) -> None:
        self.call: Callable[[], object] | None = None
        self.done = threading.Event()
        self.error: BaseException | None = None

    def estimated(self, timestamp_ns: int, latency_ns: int) -> None:
        call, self.call = self.call, None
        if call is not None:
            try:
                call()
            except SameError as error:
                self.error = error
            self.done.set()


def push(tracker: SamePoseTracker, time_ns: int = START_NS) -> Pose:
    tracker.ingest.head(time_ns, (0.0, 1.6, 0.0), UPRIGHT)
    return tracker.push_frame(StereoFrame(time_ns, None, None))


def in_time(call: Callable[[], object]) -> None:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(20.0)
    assert not thread.is_alive(), "it waits for itself"


@pytest.mark.parametrize("name", ["reset", "recentre", "floor_from_controller", "step", "push"])
def test_an_observer_is_told_what_cannot_be_done_in_an_estimate(
    tiny_bundle: Path, name: str
) -> None:
    observer = Calling()
    tracker = SamePoseTracker(tiny_bundle, observer=observer)
    calls = {"push": lambda: push(tracker, 2 * START_NS)}
    observer.call = calls.get(name, getattr(tracker, name))
    tracker.ingest.frame(StereoFrame(START_NS - MS, None, None))
    in_time(lambda: push(tracker))
    assert "from inside its own estimate" in str(observer.error)
    push(tracker, 2 * START_NS + 20 * MS)
    tracker.close()


@pytest.mark.parametrize("name", ["stop", "close"])
def test_an_observer_may_end_the_tracker(tiny_bundle: Path, name: str) -> None:
    observer = Calling()
    tracker = SamePoseTracker(tiny_bundle, observer=observer)
    observer.call = getattr(tracker, name)
    tracker.start()
    tracker.ingest.head(time.monotonic_ns(), (0.0, 1.6, 0.0), UPRIGHT)
    assert observer.done.wait(20.0) and observer.error is None
    in_time(tracker.close)


def test_an_observer_of_a_push_may_close_the_tracker(tiny_bundle: Path) -> None:
    observer = Calling()
    tracker = SamePoseTracker(tiny_bundle, observer=observer)
    observer.call = tracker.close
    in_time(lambda: push(tracker))
    assert observer.done.is_set() and observer.error is None
    with pytest.raises(SameError, match="the tracker is closed"):
        push(tracker, START_NS + 20 * MS)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal here")
def test_a_signal_in_the_middle_of_a_push_may_close_the_tracker(tiny_bundle: Path) -> None:
    class Interrupted(EngineWrapper):
        closed, signals = 0, False

        def run_frame(self, with_images: bool = True) -> None:
            if self.signals:
                os.kill(os.getpid(), signal.SIGUSR1)
                time.sleep(0.01)  # the handler runs here
                assert not self.closed
            super().run_frame(with_images)

        def close(self) -> None:
            self.closed += 1
            super().close()

    engine = Interrupted(open_engine(Bundle.open(tiny_bundle)))
    tracker = SamePoseTracker(tiny_bundle, backend=engine)
    engine.signals = True
    # What waits for itself cannot be interrupted: a hang would end the run of the tests.
    before = signal.signal(signal.SIGUSR1, lambda *_: tracker.close())
    try:
        pose = push(tracker)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert pose.timestamp_ns == START_NS
    wait_until(lambda: engine.closed)


def test_the_clock_is_asked_while_nobody_waits_for_the_network(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        asked: list[bool] = []

        def clock() -> int:
            if threading.current_thread() is threading.main_thread():
                other = threading.Thread(target=tracker.reset, daemon=True)
                other.start()
                other.join(5.0)
                asked.append(not other.is_alive())
                tracker.ingest.head(START_NS, (0.0, 1.6, 0.0), UPRIGHT)
            return START_NS

        tracker.start(clock=clock)
        tracker.ingest.head(START_NS, (0.0, 1.6, 0.0), UPRIGHT)
        tracker.recentre()
        assert asked == [True]


def test_a_listener_comes_while_a_callback_waits_for_it(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        inside, listened = threading.Event(), threading.Event()

        def waiting(pose: Pose) -> None:
            inside.set()
            assert listened.wait(20.0)

        tracker.on_pose(waiting)
        tracker.start()
        assert inside.wait(20.0)
        try:
            in_time(lambda: (tracker.on_pose(lambda pose: None), tracker.poses()))
        finally:
            listened.set()


def test_two_starts_wait_for_sessions_that_stopped_themselves(tiny_bundle: Path) -> None:
    tracker = SamePoseTracker(tiny_bundle)
    core = tracker._core  # no thread of the façade's waits beside
    inside, goes_on = threading.Event(), [threading.Event(), threading.Event()]

    def stopping(goes_on: threading.Event) -> Callable[[], int]:
        def clock() -> int:
            core.stop()
            inside.set()
            goes_on.wait(20.0)
            core.stop()
            return START_NS

        return clock

    def start(clock: Callable[[], int]) -> None:
        with contextlib.suppress(SameError):  # the other thread has started it
            core.start(LiveOptions(), clock)

    core.start(LiveOptions(), stopping(goes_on[0]))
    assert inside.wait(20.0)
    clocks = (time.monotonic_ns, stopping(goes_on[1]))
    threads = [threading.Thread(target=start, args=(clock,), daemon=True) for clock in clocks]
    for thread in threads:
        thread.start()
        time.sleep(0.1)
    for event in goes_on:
        event.set()
        time.sleep(0.1)
    for thread in threads:
        thread.join(20.0)
        assert not thread.is_alive(), "they wait for each other"
    in_time(tracker.close)


def test_a_callback_may_close_its_tracker_and_drop_it(tiny_bundle: Path) -> None:
    done = run_program(
        tiny_bundle,
        """
        import weakref

        held, dropped = [SamePoseTracker(sys.argv[1])], threading.Event()
        core = weakref.ref(held[0]._core)

        def end(pose):
            if held:
                held.pop().close()
                (ending,) = (t for t in threading.enumerate() if t.name == "same-ending")
                assert not ending.daemon, "the process would end before it"
                dropped.set()

        held[0].on_pose(end)
        held[0].start()
        assert dropped.wait(20)
        deadline = time.monotonic() + 20
        while core() is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert core() is None
        """,
    )
    assert done.returncode == 0, done.stderr


def test_a_program_may_end_while_a_callback_that_stopped_goes_on(tiny_bundle: Path) -> None:
    done = run_program(
        tiny_bundle,
        """
        import atexit

        tracker, stopped = SamePoseTracker(sys.argv[1]), threading.Event()

        def stop(pose):
            tracker.stop()
            stopped.set()
            time.sleep(0.3)
            print("to its end")

        tracker.on_pose(stop)
        tracker.start()
        assert stopped.wait(20)
        """,
    )
    assert (done.returncode, done.stdout) == (0, "to its end\n"), done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_wants_poses_is_told_of_the_fork(tiny_bundle: Path) -> None:
    done = run_program(
        tiny_bundle,
        """
        tracker, inside = SamePoseTracker(sys.argv[1]), threading.Event()

        def slow(pose):
            inside.set()
            time.sleep(0.3)

        tracker.on_pose(slow)
        tracker.start()
        assert inside.wait(20)
        child = os.fork()
        if child == 0:
            try:
                tracker.poses()
            except SameError as error:
                os._exit(7 if "fork" in str(error) else 1)
            os._exit(2)
        deadline = time.monotonic() + 20
        while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
            if time.monotonic() > deadline:
                os.kill(child, 9)
                sys.exit("the child hangs")
            time.sleep(0.01)
        tracker.close()
        sys.exit(os.waitstatus_to_exitcode(ended[1]))
        """,
    )
    assert done.returncode == 7, done.stderr
