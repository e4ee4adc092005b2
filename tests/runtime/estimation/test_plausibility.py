"""Nonsense is told from people: real recordings and odd postures raise nothing."""

import lzma
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from plausibility import Plausibility
from recordings import real_session
from scipy.spatial.transform import Rotation

from same_bench.measuring.made_up_stream import made_up_stream
from same_engines import Bundle, EngineWrapper, open_engine
from same_runtime import Pose, PoseStatus, Reason, SamePoseTracker
from same_runtime._core import DeviceStates, ImagePreprocessor, Synchroniser
from same_runtime.conventions import JOINT_NAMES
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import Recording
from same_runtime.recording.replay import Replay

RATE_HZ = 30
NOBODY_SEEN = np.zeros(22, np.float32)
BODY_SEEN = np.full(22, 0.8, np.float32)
UPRIGHT = (0.0, 0.0, 0.0, 1.0)
ON_THE_BACK = tuple(Rotation.from_euler("x", 80, degrees=True).as_quat())
FACE_DOWN = tuple(Rotation.from_euler("x", -70, degrees=True).as_quat())
GRAVITY = 9.80665
LEFT_WRIST = JOINT_NAMES.index("left_wrist")


@dataclass
class Devices:
    """Five devices at one instant; only the head is tracked unless others are given.

    ``poses``: position and orientation; ``legs``: orientation and acceleration.
    """

    timestamp_ns: int
    poses: dict[int, tuple[np.ndarray, np.ndarray]]
    legs: dict[int, tuple[np.ndarray, np.ndarray]]

    def states(self) -> DeviceStates:
        """As the tracker finds them."""
        synchroniser = Synchroniser(2)
        for device, pose in self.poses.items():
            synchroniser.push_pose(device, self.timestamp_ns, *pose)
        for device, reading in self.legs.items():
            synchroniser.push_leg(device, self.timestamp_ns, *reading)
        return synchroniser.lookup(self.timestamp_ns)


def head_only(
    position: tuple[float, ...], turn: tuple[float, ...], seconds: float, sway_m: float = 0.01
) -> Iterator[Devices]:
    """A head that sways as people's do."""
    for index in range(round(seconds * RATE_HZ)):
        sway = sway_m * np.sin(index / RATE_HZ * np.array((1.3, 0.9, 1.1)))
        place = np.array(position) + sway
        yield Devices(round(index * 1e9 / RATE_HZ), {0: (place, np.array(turn))}, {})


def judged(
    stream: Iterator[Devices], confidence: np.ndarray = BODY_SEEN
) -> tuple[set[Reason], tuple[str, ...]]:
    """All reasons found in a stream over a floor at 0, and the hints."""
    judge = Plausibility(0.5, 0.25)
    reasons: set[Reason] = set()
    for devices in stream:
        reasons.update(judge.of_devices(devices.states(), 0.0))
        reasons.update(judge.of_estimate(Pose(joint_confidence=confidence), 0.0))
    return reasons, judge.hints


@pytest.mark.parametrize(
    ("position", "turn"),
    [
        pytest.param((0.0, 0.12, 0.0), ON_THE_BACK, id="lying on the back"),
        pytest.param((0.0, 0.15, 0.0), FACE_DOWN, id="lying face down"),
        pytest.param((0.0, 0.18, 0.0), UPRIGHT, id="prone, looking ahead"),
        pytest.param((0.0, 0.45, 0.0), FACE_DOWN, id="crawling"),
        pytest.param((0.0, 0.95, 0.0), UPRIGHT, id="kneeling"),
        pytest.param((0.0, 1.2, 0.0), UPRIGHT, id="sitting"),
        pytest.param((0.0, 2.2, 0.0), UPRIGHT, id="tall, on a step"),
    ],
)
def test_unusual_postures_raise_nothing(
    position: tuple[float, ...], turn: tuple[float, ...]
) -> None:
    assert judged(head_only(position, turn, 20.0), NOBODY_SEEN) == (set(), ())


def test_a_head_at_rest_is_worn_while_the_cameras_see_its_body() -> None:
    at_rest = head_only((0.0, 0.2, 0.0), ON_THE_BACK, 20.0, sway_m=0.0005)
    assert judged(at_rest) == (set(), ())
    at_rest = head_only((0.0, 0.2, 0.0), ON_THE_BACK, 20.0, sway_m=0.0005)
    reasons, hints = judged(at_rest, NOBODY_SEEN)
    assert reasons == {Reason.NOT_WORN} and len(hints) == 1


@pytest.mark.parametrize(
    ("position", "turn", "hint"),
    [
        ((0.0, 1600.0, 0.0), UPRIGHT, "head height 1600: metres expected, are these millimetres?"),
        ((0.0, 160.0, 0.0), UPRIGHT, "are these centimetres?"),
        ((0.0, 4.0, 0.0), UPRIGHT, "is the floor at TrackerOptions.ground_y_m?"),
        ((0.0, -3.0, 0.0), UPRIGHT, "below the floor"),
        ((0.0, -0.05, 0.0), UPRIGHT, "LOCAL space?"),
        ((0.0, 1.6, 0.0), (1.0, 0.0, 0.0, 0.0), "look like wxyz"),
    ],
)
def test_a_head_where_none_can_be_is_named(
    position: tuple[float, ...], turn: tuple[float, ...], hint: str
) -> None:
    reasons, hints = judged(head_only(position, turn, 3.0))
    assert reasons == {Reason.IMPLAUSIBLE_HEAD}
    assert any(hint in text for text in hints)


def test_the_floor_is_where_the_options_say() -> None:
    judge = Plausibility(0.5, 0.25)
    for devices in head_only((0.0, -1.4, 0.0), UPRIGHT, 3.0):
        assert judge.of_devices(devices.states(), -3.0) == ()


def test_what_lasts_begins_anew_after_a_gap() -> None:
    judge = Plausibility(0.5, 0.25)
    for devices in head_only((0.0, 1.6, 0.0), (1.0, 0.0, 0.0, 0.0), 3.0):
        last = judge.of_devices(devices.states(), 0.0)
    assert last == (Reason.IMPLAUSIBLE_HEAD,)
    devices = replace(devices, timestamp_ns=devices.timestamp_ns + 2_000_000_000)
    assert judge.of_devices(devices.states(), 0.0) == ()


@pytest.mark.parametrize("name", ["head", "ctrl_left", "ctrl_right"])
def test_a_real_headset_session_raises_nothing(shared_data: Path, name: str) -> None:
    """Five minutes of a game: nothing is found, though the cameras see nobody."""
    session = real_session(shared_data)
    index = {"head": 0, "ctrl_left": 1, "ctrl_right": 2}[name]

    def stream() -> Iterator[Devices]:
        for row, timestamp_ns in enumerate(session["timestamp_ns"]):
            poses = {
                device: (
                    session[f"{key}_position"][row],
                    session[f"{key}_orientation_xyzw"][row],
                )
                for device, key in {0: "head", index: name}.items()
            }
            if all(np.linalg.norm(turn) > 0.5 for _, turn in poses.values()):
                yield Devices(int(timestamp_ns), poses, {})

    assert judged(stream(), NOBODY_SEEN) == (set(), ())


def _leg_imus(shared_data: Path, gravity: float) -> Iterator[Devices]:
    """Both shins of a real walk, in a world whose y points up; a standing head above them."""
    turned = Rotation.from_euler("x", -90, degrees=True)  # the sensors' z points up
    tracks = []
    for side in ("left", "right"):
        folder = shared_data / "imu" / "xio-lower-body" / f"{side}-lower-leg"
        with lzma.open(folder / "Inertial.csv.xz", "rt") as file:
            inertial = np.genfromtxt(file, delimiter=",", skip_header=1)
        with lzma.open(folder / "Quaternion.csv.xz", "rt") as file:
            turns = np.genfromtxt(file, delimiter=",", skip_header=1)
        at = np.clip(np.searchsorted(turns[:, 0], inertial[:, 0]), 0, len(turns) - 1)
        sensor = turned * Rotation.from_quat(turns[at][:, [2, 3, 4, 1]])
        acceleration = sensor.apply(GRAVITY * inertial[:, 4:7]) - (0.0, gravity, 0.0)
        tracks.append((inertial[:, 0], acceleration))
    start_s, end_s = max(t[0][0] for t in tracks), min(t[0][-1] for t in tracks)
    scale = 1e-6 if end_s > 1e4 else 1.0
    for t in np.arange(start_s, end_s, 1.0 / RATE_HZ / scale):
        legs = {
            device: (
                np.array(UPRIGHT),
                acceleration[min(np.searchsorted(times, t), len(times) - 1)],
            )
            for device, (times, acceleration) in zip((3, 4), tracks, strict=True)
        }
        head = (np.array((0.0, 1.6, 0.0)) + 0.02 * np.sin(scale * t), np.array(UPRIGHT))
        yield Devices(round(1e9 * scale * (t - start_s)), {0: head}, legs)


def test_gravity_is_told_from_a_real_walk(shared_data: Path) -> None:
    assert judged(_leg_imus(shared_data, GRAVITY)) == (set(), ())
    for gravity, hint in ((0.0, "upwards: gravity was not removed"), (2 * GRAVITY, "wrong sign")):
        reasons, hints = judged(_leg_imus(shared_data, gravity))
        assert reasons == {Reason.IMPLAUSIBLE_LEG}
        assert len(hints) == 2 and all(hint in text for text in hints)
        assert all("LegReading.from_specific_force" in text for text in hints)


CLIPS = ("01_14", "05_18", "06_09", "08_01", "09_06", "13_30", "14_31", "14_36")
"""Climbing, dance, basketball, walk, run, and two that reach for the floor."""


@pytest.mark.parametrize("clip", CLIPS)
def test_captured_motion_raises_nothing(shared_data: Path, clip: str) -> None:
    pytest.importorskip("numba", reason="needs pip install .[train]")
    from same_model.synth import sensors
    from same_model.synth.body.body import make_body
    from same_model.synth.motion.clip import load_clip
    from same_model.synth.motion.retarget import retarget
    from same_model.synth.synth import performer_shape

    body = make_body(performer_shape(0, "x"))
    motions, _ = load_clip(shared_data / "cmu-mocap" / f"{clip}.bvh.xz")
    for motion in motions:
        worn = retarget(motion, body)
        mounting = sensors.random_mounting(np.random.default_rng(0), worn)
        tracks = sensors.true_tracks(worn, mounting)
        accelerations = {leg: tracks.acceleration(leg, tracks.times_s) for leg in (3, 4)}

        def stream(
            tracks: sensors.DeviceTracks = tracks,
            accelerations: dict[int, np.ndarray] = accelerations,
        ) -> Iterator[Devices]:
            places, turns = tracks.positions, tracks.orientations_xyzw
            for row, t in enumerate(tracks.times_s):
                poses = {device: (places[device, row], turns[device, row]) for device in range(3)}
                legs = {leg: (turns[leg, row], a[row]) for leg, a in accelerations.items()}
                yield Devices(round(1e9 * t), poses, legs)

        assert judged(stream(), NOBODY_SEEN) == (set(), ()), motion.name


def test_the_demo_recording_raises_nothing() -> None:
    recording = Recording(demo_recording())
    with SamePoseTracker(demo_bundle(), recording.rig) as tracker:
        reasons = {reason for frame in Replay(recording, tracker) for reason in frame.pose.reasons}
        assert reasons == {Reason.WARMING_UP}
        assert tracker.stats().hints == ()


def test_images_are_dark_only_when_they_show_nothing() -> None:
    recording = Recording(demo_recording())
    assert recording.rig is not None
    engine = open_engine(Bundle.open(demo_bundle()), "onnxruntime")
    with SamePoseTracker(demo_bundle(), recording.rig, engine) as tracker:
        config = Bundle.open(demo_bundle()).manifest.config
        judge = Plausibility(config.image_mean, config.image_std)
        camera, (height, width) = recording.rig.left, engine.host_input("images").shape[-2:]
        preprocess = ImagePreprocessor(
            camera.height, camera.width, height, width, config.image_mean, config.image_std
        )
        frame = next(iter(Replay(recording, tracker))).frame
        assert frame.left is not None
        lit = frame.left.astype(np.float64)
        random = np.random.default_rng(0)

        def reason(image: np.ndarray) -> Reason | None:
            seen = np.clip(image, 0, 255).astype(np.uint8)
            out = np.empty((height, width), np.float32)
            preprocess(seen, out)
            return judge.of_view(out)

        for share in (1.0, 0.5, 0.25, 0.13):
            assert reason(share * lit + random.normal(0, 2, lit.shape)) is None
        assert reason(2.0 * lit) is None
        noise = random.normal(0, 8, lit.shape)
        for level in (0, 20, 128):
            assert reason(level + noise) is Reason.CAMERAS_COVERED
        assert reason(0.05 * lit) is Reason.CAMERAS_COVERED
        assert reason(255 - np.abs(noise)) is Reason.CAMERAS_SATURATED
        assert reason(20.0 * lit) is Reason.CAMERAS_SATURATED


def test_a_view_that_shows_nothing_counts_as_missing(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as black, SamePoseTracker(tiny_bundle) as absent:
        for frame, imu in made_up_stream(black.rig, 12):
            assert frame.left is not None
            covered = black.push(replace(frame, left=np.zeros_like(frame.left)), imu)
            lost = absent.push(replace(frame, left=None), imu)
            assert Reason.CAMERAS_COVERED in covered.reasons
            assert Reason.CAMERA_LOST not in covered.reasons
            assert covered.status is PoseStatus.LIMITED
            np.testing.assert_array_equal(covered.joints_world, lost.joints_world)
            np.testing.assert_array_equal(covered.joint_confidence, lost.joint_confidence)


@pytest.mark.parametrize(
    ("joint", "place"), [(7, (0.0, -0.5, 0.0)), (4, (1.5, 0.5, 0.0)), (20, (0.0, 9.0, 0.0))]
)
def test_a_body_that_nobody_has_is_named(joint: int, place: tuple[float, ...]) -> None:
    judge = Plausibility(0.5, 0.25)
    standing = np.linspace((0.0, 0.1, 0.0), (0.0, 1.5, 0.0), 22)
    torn = standing.copy()
    torn[joint] = place

    def found(joints: np.ndarray, start_s: float) -> list[tuple[Reason, ...]]:
        reasons = []
        for devices in head_only((0.0, 1.6, 0.0), UPRIGHT, 1.0):
            at_ns = devices.timestamp_ns + round(1e9 * start_s)
            judge.of_devices(replace(devices, timestamp_ns=at_ns).states(), 0.0)
            reasons.append(judge.of_estimate(Pose(joints_world=joints), 0.0))
        return reasons

    assert set(found(standing, 0.0)) == {()}
    reasons = found(torn, 1.0)
    assert set(reasons[:14]) == {()} and set(reasons[17:]) == {(Reason.IMPLAUSIBLE_POSE,)}
    assert set(found(standing, 2.0)) == {()}
    assert len(judge.hints) == 1


def test_an_implausible_body_is_limited(tiny_bundle: Path) -> None:
    class Torn(EngineWrapper):
        def run(self, stage: str) -> None:
            super().run(stage)
            if stage == "temporal":
                self.host_output("joints_anchor")[:, LEFT_WRIST] = (0.0, 9.0, 0.0)

    engine = Torn(open_engine(Bundle.open(tiny_bundle), "onnxruntime"))
    with SamePoseTracker(tiny_bundle, backend=engine) as tracker:
        poses = [tracker.push(*inputs) for inputs in made_up_stream(tracker.rig, 40)]
        assert poses[-1].reasons == (Reason.IMPLAUSIBLE_POSE,)
        assert poses[-1].status is PoseStatus.LIMITED


def test_each_kind_of_hint_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    judge = Plausibility(0.5, 0.25)
    for _ in range(2):
        for devices in head_only((0.0, 1600.0, 0.0), UPRIGHT, 0.2):
            judge.of_devices(devices.states(), 0.0)
    assert [record.message for record in caplog.records] == list(judge.hints)
    assert len(judge.hints) == 1
