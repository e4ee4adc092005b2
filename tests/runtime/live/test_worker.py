"""Started trackers: poses at display rate, the newest frame wins, nothing hangs or dies."""

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from live_stream import SECOND, START_NS, live_events
from tracker_program import run_program
from waiting import wait_until

from same_engines import Bundle, open_engine
from same_engines.errors import EngineError, InvalidInputError, SameError
from same_runtime import Pose, PoseStatus, Reason, SamePoseTracker, StereoFrame
from same_runtime.live.options import LiveOptions

MS = 1_000_000


@pytest.fixture
def tracker(tiny_bundle: Path) -> Iterator[SamePoseTracker]:
    # An engine of its own runs through Python, so that tests may change what it does.
    with SamePoseTracker(tiny_bundle, backend=open_engine(Bundle.open(tiny_bundle))) as opened:
        yield opened


class Player:
    """Plays the made-up stream in real time and is its clock."""

    def __init__(self, tracker: SamePoseTracker, seconds: float) -> None:
        self._tracker, self._events = tracker, list(live_events(tracker.rig, seconds))
        self._began_ns = time.monotonic_ns()
        self._sent_ns = START_NS

    def real_ns(self) -> int:
        return START_NS + time.monotonic_ns() - self._began_ns

    def now_ns(self) -> int:
        # On a busy machine samples are sent late; the clock then waits for them.
        return min(self.real_ns(), self._sent_ns + 20 * MS)

    def play(self, without: tuple[str, ...] = ()) -> None:
        self._began_ns = time.monotonic_ns()
        for event in self._events:
            if event.stream in without:
                continue
            time.sleep(max(0.0, 1e-9 * (event.timestamp_ns - self.real_ns())))
            event.send(self._tracker.ingest)
            self._sent_ns = event.timestamp_ns


@pytest.mark.parametrize("policy", ["reanchor", "image_free", "hold"])
def test_poses_come_at_display_rate(tracker: SamePoseTracker, policy: str) -> None:
    player = Player(tracker, 1.5)
    poses: list[Pose] = []
    tracker.on_pose(poses.append)
    tracker.start(LiveOptions(between_frames=policy), player.now_ns)  # type: ignore[arg-type]
    player.play()
    stats = tracker.stats()
    assert tracker.latest().timestamp_ns > START_NS + SECOND
    tracker.stop()
    assert len(poses) + stats.deadlines_missed >= 0.8 * 1.5 * 90
    times = [pose.timestamp_ns for pose in poses if pose.status is not PoseStatus.INVALID]
    assert len(times) > 15  # on a busy machine; the rate itself is a benchmark's business
    if policy != "hold":
        assert all(b >= a for a, b in zip(times, times[1:], strict=False))
    assert all(np.isfinite(pose.joints_world).all() for pose in poses)
    assert stats.engine_failures == stats.callback_errors == 0
    taken = stats.estimates.count + stats.frames.dropped + stats.frames_too_late
    assert taken >= 0.8 * 1.5 * 30


def test_looking_ahead_leaves_no_trace(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as plain, SamePoseTracker(tiny_bundle) as looking:
        for event in live_events(plain.rig, 1.0):
            event.send(plain.ingest)
            event.send(looking.ingest)
            if event.stream == "frame":
                plain.step()
                looking.step()
            elif event.stream == "head":
                looking._core.predict_without_images()
        predicted = looking._core.newest_estimate(predicted=True)
        newest, expected = looking._core.newest_estimate(), plain._core.newest_estimate()
        assert predicted is not None and newest is not None and expected is not None
        np.testing.assert_array_equal(newest.pose.joints_world, expected.pose.joints_world)
        ahead_ns = predicted.pose.timestamp_ns
        assert ahead_ns > newest.pose.timestamp_ns
        np.testing.assert_allclose(
            looking.at_time(ahead_ns).joints_world,
            predicted.pose.joints_world,
            atol=1e-3,
        )


def test_the_newest_frame_wins_under_overload(
    tracker: SamePoseTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tracker._engine.run

    def slow(stage: str) -> None:
        if stage == "visual":
            time.sleep(0.15)
        run(stage)

    monkeypatch.setattr(tracker._engine, "run", slow)
    player = Player(tracker, 1.5)
    poses: list[Pose] = []
    tracker.on_pose(poses.append)
    tracker.start(LiveOptions(), player.now_ns)
    player.play()
    time.sleep(0.3)
    stats = tracker.stats()
    estimate = tracker._core.newest_estimate()
    tracker.stop()
    assert any(Reason.OVERLOADED in pose.reasons for pose in poses)
    assert stats.frames.dropped > 20
    assert stats.frames.dropped + stats.estimates.count == pytest.approx(45, abs=2)
    assert estimate is not None
    assert player.now_ns() - estimate.pose.timestamp_ns < SECOND


def test_without_cameras_the_pose_goes_on(tracker: SamePoseTracker) -> None:
    player = Player(tracker, 1.0)
    tracker.start(LiveOptions(), player.now_ns)
    player.play(without=("frame",))
    pose = tracker.latest()
    tracker.stop()
    assert pose.status is PoseStatus.LIMITED and Reason.NO_IMAGES in pose.reasons
    assert player.now_ns() - pose.timestamp_ns < SECOND


def test_when_everything_stops_the_pose_says_so(tracker: SamePoseTracker) -> None:
    player = Player(tracker, 0.5)
    tracker.start(LiveOptions(), player.real_ns)
    player.play()
    time.sleep(0.4)
    pose = tracker.latest()
    tracker.stop()
    assert pose.status is PoseStatus.INVALID and pose.reason is Reason.HEAD_LOST
    assert Reason.STALE in pose.reasons


def test_a_held_pose_grows_old_too(tracker: SamePoseTracker) -> None:
    player = Player(tracker, 0.5)
    tracker.start(LiveOptions(between_frames="hold"), player.real_ns)
    player.play()
    wait_until(lambda: tracker.latest().timestamp_ns > 0)
    wait_until(lambda: Reason.STALE in tracker.latest().reasons)
    wait_until(lambda: tracker.latest().status is PoseStatus.INVALID)
    assert tracker.latest().reason is Reason.HEAD_LOST
    tracker.stop()


def test_a_head_seen_long_ago_is_no_forward(tracker: SamePoseTracker) -> None:
    now_ns = [START_NS]
    tracker.start(clock=lambda: now_ns[0])
    for step in range(3):
        tracker.ingest.head(START_NS + step * 11 * MS, (0.0, 1.6, 0.0), (0.0, 0.0, 0.0, 1.0))
        tracker.ingest.controller(
            "left", START_NS + step * 11 * MS, (0.3, 0.1, 0.0), (0.0, 0.0, 0.0, 1.0)
        )
    tracker.recentre()
    assert tracker.floor_from_controller() == pytest.approx(0.1)
    now_ns[0] += 180 * SECOND
    for ask in (tracker.recentre, tracker.floor_from_controller):
        with pytest.raises(InvalidInputError, match=r"is not tracked; last seen \d+.\d s ago"):
            ask()
    tracker.stop()
    # Not started, the newest sample of any stream tells the time.
    tracker.reset()
    tracker.ingest.head(START_NS, (0.0, 1.6, 0.0), (0.0, 0.0, 0.0, 1.0))
    for step in range(1, 226):
        t = START_NS + step * 400 * MS
        tracker.ingest.leg("left", t, (0.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0))
    with pytest.raises(InvalidInputError, match="recentre: head is not tracked; last seen 90.0 s"):
        tracker.recentre()
    # And when nothing at all comes any more, how long ago the last frame was tracked.
    tracker.reset()
    tracker.ingest.head(START_NS, (0.0, 1.6, 0.0), (0.0, 0.0, 0.0, 1.0))
    tracker.push_frame(StereoFrame(START_NS, None, None))
    tracker.recentre()
    time.sleep(1.1)
    with pytest.raises(InvalidInputError, match=r"last seen [1-9].\d s ago"):
        tracker.recentre()
    # But a head that came since is there.
    tracker.ingest.head(START_NS + 1100 * MS, (0.0, 1.6, 0.0), (0.0, 0.0, 0.0, 1.0))
    tracker.recentre()


def test_a_failing_engine_or_callback_does_not_end_the_stream(
    tracker: SamePoseTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, failures = tracker._engine.run, iter(range(3))

    def failing(stage: str) -> None:
        if stage == "visual" and next(failures, None) is not None:
            raise EngineError("out of luck")
        run(stage)

    def broken(pose: Pose) -> None:
        raise RuntimeError("the app's own bug")

    monkeypatch.setattr(tracker._engine, "run", failing)
    received: list[Pose] = []
    tracker.on_pose(broken)
    tracker.on_pose(received.append)
    player = Player(tracker, 1.0)
    tracker.start(LiveOptions(), player.now_ns)
    player.play()
    stats = tracker.stats()
    tracker.stop()
    assert stats.engine_failures == 3 and stats.callback_errors >= len(received) - 1 > 5
    assert received[-1].status is not PoseStatus.INVALID


def test_a_callback_may_stop_the_tracker(tracker: SamePoseTracker) -> None:
    stopped = threading.Event()

    def stop(pose: Pose) -> None:
        tracker.stop()
        stopped.set()

    tracker.on_pose(stop)
    tracker.start()
    assert stopped.wait(5.0)
    tracker.start()
    tracker.stop()


def test_poses_can_be_awaited(tracker: SamePoseTracker) -> None:
    async def collect() -> int:
        count = 0
        async for pose in tracker.poses():
            count += 1
            assert isinstance(pose, Pose)
            if count == 5:
                threading.Thread(target=tracker.stop).start()
        return count

    tracker.start()
    assert asyncio.run(asyncio.wait_for(collect(), 10.0)) >= 5


def test_push_and_start_exclude_each_other(tracker: SamePoseTracker) -> None:
    tracker.start()
    with pytest.raises(SameError, match="stop it first"):
        tracker.push_frame(StereoFrame(START_NS, None, None))
    with pytest.raises(SameError, match="stop it first"):
        tracker.start()
    tracker.stop()
    tracker.stop()
    tracker.push_frame(StereoFrame(START_NS, None, None))


@pytest.mark.parametrize(
    "bad",
    [
        {"between_frames": "guess"},
        {"between_frames": None},
        {"display_rate_hz": 0.0},
        {"display_rate_hz": "90"},
        {"display_rate_hz": None},
        {"lost_rate_hz": np.nan},
        {"lead_ns": 0.5},
        {"max_wait_ns": -1},
        {"cameras_lost_after_ns": "1"},
    ],
)
def test_bad_options_are_named(bad: dict) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(bad))):
        LiveOptions(**bad)


def test_what_cannot_be_started_is_named_and_starts_nothing(tracker: SamePoseTracker) -> None:
    with pytest.raises(InvalidInputError, match="options: expected LiveOptions, got str"):
        tracker.start("x")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="clock: expected a function, got int"):
        tracker.start(clock=5)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="callback: expected a function, got list"):
        tracker.on_pose([])  # type: ignore[arg-type]
    assert live_threads() == []
    tracker.push_frame(StereoFrame(START_NS, None, None))


def live_threads() -> list[str]:
    names = []
    for task in Path("/proc/self/task").glob("*/comm"):
        with contextlib.suppress(OSError):  # it has just ended
            names.append(task.read_text().strip())
    return [name for name in names if name in ("same-network", "same-display")]


@pytest.mark.parametrize("raised", [OSError("TimeInvalid"), SystemExit(1), "soon", -5, 1.5])
def test_a_clock_that_fails_once_costs_one_pose(tracker: SamePoseTracker, raised: object) -> None:
    calls = 0

    def clock() -> int:
        nonlocal calls
        calls += 1
        if calls == 3:
            if isinstance(raised, BaseException):
                raise raised
            return raised  # type: ignore[return-value]
        return time.monotonic_ns()

    poses: list[Pose] = []
    tracker.on_pose(poses.append)
    tracker.start(clock=clock)
    wait_until(lambda: len(poses) >= 10)
    assert sorted(live_threads()) == ["same-display", "same-network"]
    assert tracker.stats().callback_errors == 1
    tracker.stop()
    assert tracker.stats().callback_errors == 1 and tracker.stats().worker_errors == 0


def test_no_kind_of_error_ends_a_live_thread(
    tracker: SamePoseTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tracker._engine.run
    failures = iter((MemoryError("full"), KeyError("images")))

    def failing(stage: str) -> None:
        if stage == "visual" and (error := next(failures, None)) is not None:
            raise error
        run(stage)

    monkeypatch.setattr(tracker._engine, "run", failing)
    received: list[Pose] = []

    def leave(pose: Pose) -> None:
        received.append(pose)
        if len(received) == 1:
            sys.exit(3)

    tracker.on_pose(leave)
    player = Player(tracker, 1.0)
    tracker.start(LiveOptions(), player.now_ns)
    player.play()
    wait_until(lambda: received and received[-1].status is not PoseStatus.INVALID)
    tracker.stop()
    stats = tracker.stats()
    assert (stats.engine_failures, stats.worker_errors, stats.callback_errors) == (2, 2, 1)


def test_an_hour_of_waiting_does_not_hold_up_a_stop(tracker: SamePoseTracker) -> None:
    def wait_with_a_frame() -> None:
        tracker.ingest.head(START_NS, (0.0, 1.6, 0.0), (0.0, 0.0, 0.0, 1.0))
        tracker.ingest.frame(StereoFrame(START_NS + 20 * MS, None, None))
        time.sleep(0.2)

    tracker.start(LiveOptions(max_wait_ns=3600 * SECOND))
    wait_with_a_frame()
    stopper = threading.Thread(target=tracker.stop, daemon=True)
    stopper.start()
    stopper.join(20.0)
    assert not stopper.is_alive() and live_threads() == []


def test_starts_and_stops_from_many_threads_leave_no_thread_behind(
    tracker: SamePoseTracker,
) -> None:
    wrong: list[BaseException] = []

    def toggle(action: Callable[[], None]) -> None:
        for _ in range(30):
            try:
                action()
            except SameError:
                pass
            except BaseException as error:
                wrong.append(error)

    threads = [
        threading.Thread(target=toggle, args=(action,))
        for action in (tracker.start, tracker.start, tracker.stop, tracker.stop)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tracker.stop()
    wait_until(lambda: not live_threads())
    assert wrong == []
    tracker.push_frame(StereoFrame(START_NS, None, None))


async def collected(tracker: SamePoseTracker) -> list[Pose]:
    return [pose async for pose in tracker.poses()]


def test_the_poses_of_a_stopped_tracker_end(tracker: SamePoseTracker) -> None:
    async def never_started() -> list[Pose]:
        task = asyncio.ensure_future(collected(tracker))
        await asyncio.sleep(0.05)
        assert not task.done()  # it may still be started
        tracker.stop()
        return await asyncio.wait_for(task, 10.0)

    assert asyncio.run(never_started()) == []
    assert asyncio.run(asyncio.wait_for(collected(tracker), 10.0)) == []
    tracker.start()
    tracker.stop()
    assert asyncio.run(asyncio.wait_for(collected(tracker), 10.0)) == []
    tracker.start()
    tracker.close()
    assert asyncio.run(asyncio.wait_for(collected(tracker), 10.0)) == []


def test_a_session_shows_nothing_of_the_one_before(tracker: SamePoseTracker) -> None:
    player = Player(tracker, 0.5)
    tracker.start(LiveOptions(), player.now_ns)
    player.play()
    wait_until(lambda: tracker.latest().status is not PoseStatus.INVALID)
    tracker.stop()
    tracker.start(LiveOptions(display_rate_hz=1.0), player.now_ns)
    assert tracker.latest().timestamp_ns == 0
    assert tracker.latest().status is PoseStatus.INVALID


def test_a_program_that_forgets_to_stop_still_ends(tiny_bundle: Path) -> None:
    done = run_program(
        tiny_bundle,
        """
        tracker = SamePoseTracker(sys.argv[1])
        tracker.on_pose(lambda pose: 1 / 0)
        tracker.start()
        time.sleep(0.3)
        """,
    )
    assert done.returncode == 0, done.stderr
    assert "ZeroDivisionError" not in done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_is_told_and_ends(tiny_bundle: Path) -> None:
    done = run_program(
        tiny_bundle,
        """
        import multiprocessing

        def use_and_drop(trackers):
            tracker = trackers.pop()
            try:
                tracker.at_time(0)
            except SameError as error:
                assert "fork" in str(error)
            else:
                sys.exit(3)
            tracker.stop()
            tracker.close()

        trackers = [SamePoseTracker(sys.argv[1])]
        trackers[0].start()
        time.sleep(0.2)
        child = multiprocessing.get_context("fork").Process(target=use_and_drop, args=(trackers,))
        child.start()
        child.join(20)
        trackers[0].close()
        sys.exit(child.exitcode)
        """,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_of_a_bare_fork_ends_with_its_own_status(tiny_bundle: Path) -> None:
    """Row 14 of the faults: the backend's exit handlers would wait for threads that are not
    there."""
    done = run_program(
        tiny_bundle,
        """
        tracker = SamePoseTracker(sys.argv[1])
        child = os.fork()
        if child == 0:
            print("said in the child")
            sys.exit(7)
        deadline = time.monotonic() + 30
        while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
            if time.monotonic() > deadline:
                os.kill(child, 9)
                sys.exit("the child hangs")
            time.sleep(0.05)
        tracker.close()
        sys.exit(os.waitstatus_to_exitcode(ended[1]))
        """,
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout == "said in the child\n"


def test_two_threads_push_and_one_reads(tracker: SamePoseTracker) -> None:
    frames = [e for e in live_events(tracker.rig, 0.9) if e.stream == "frame"]
    for event in live_events(tracker.rig, 0.1):
        if event.stream != "frame":
            event.send(tracker.ingest)
    results: list[tuple[Pose, np.ndarray]] = []
    refused = [0, 0]
    together = threading.Barrier(2)  # a thread frames behind would be a clock that began anew

    def push(which: int) -> None:
        for event in frames:
            together.wait(20.0)
            try:
                pose = tracker.push_frame(StereoFrame(event.timestamp_ns, None, None))
            except SameError:
                refused[which] += 1
            else:
                results.append((pose, pose.joints_world.copy()))

    threads = [threading.Thread(target=push, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        tracker.at_time(START_NS + 50 * MS)
        tracker.stats()
    for thread in threads:
        thread.join()
    assert len(results) + sum(refused) == 2 * len(frames)
    assert len({pose.timestamp_ns for pose, _ in results}) == len(results)
    for pose, joints in results:
        np.testing.assert_array_equal(pose.joints_world, joints)


@pytest.mark.parametrize("frame_hz", [30, 6])
def test_late_cameras_are_seen_again_after_a_gap(tracker: SamePoseTracker, frame_hz: int) -> None:
    """Image-free estimates go on meanwhile, and must not be ahead of every frame to come."""
    camera = tracker.rig.left
    image = np.random.default_rng(0).integers(0, 255, (camera.height, camera.width), np.uint8)
    began_ns, frame_every = time.monotonic_ns(), 90 // frame_hz
    tracker.start(clock=lambda: START_NS + time.monotonic_ns() - began_ns)
    accepted = None
    for step in range(200):
        now_ns = START_NS + time.monotonic_ns() - began_ns
        tracker.ingest.head(now_ns, (0.0, 1.6, 0.0), (0.0, 0.0, 0.0, 1.0))
        if step > 30 and step % frame_every == 0:
            tracker.ingest.frame(StereoFrame(now_ns - 80 * MS, image, image))
        if step == 120:
            accepted = tracker.stats().frames_too_late
        time.sleep(0.011)
    stats = tracker.stats()
    assert stats.frames_too_late == accepted, stats
    assert Reason.NO_IMAGES not in tracker.latest().reasons or frame_hz == 6


def test_a_clock_that_leaves_shows_no_old_pose_as_new(tracker: SamePoseTracker) -> None:
    player, ahead_ns = Player(tracker, 1.5), [0]
    tracker.start(clock=lambda: player.now_ns() + ahead_ns[0])
    player.play()
    assert Reason.STALE not in tracker.latest().reasons
    ahead_ns[0] = 2 * 3600 * SECOND
    time.sleep(0.2)
    latest = tracker.latest()
    assert latest.status is PoseStatus.INVALID
    assert {Reason.STALE, Reason.HEAD_LOST} <= set(latest.reasons)
