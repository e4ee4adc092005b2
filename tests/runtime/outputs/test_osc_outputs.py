"""VMC and VRChat: packets that python-osc's server decodes, against poses computed by hand."""

import errno
import socket
import sys
import time

import numpy as np
import pytest
from posed_bodies import FRAME_NS, body
from scipy.spatial.transform import Rotation

pytest.importorskip("pythonosc", reason="needs pip install .[xr]")
from osc_receiver import OscReceiver

from same_engines.errors import RecordingError
from same_runtime import InvalidInputError, Pose, PoseStatus, SameError
from same_runtime.conventions import JOINT_NAMES
from same_runtime.outputs import Background, Output, VmcOutput, VrchatOutput, open_output
from same_runtime.outputs.osc.messages import MAX_PACKET_BYTES, _bundles
from same_runtime.outputs.osc.vrchat import unity_euler_deg
from same_runtime.skeleton.rest_pose import REST_OFFSETS_M

HALF = np.sqrt(0.5)
OK, TIME, ROOT, BONE = ("/VMC/Ext/" + name for name in ("OK", "T", "Root/Pos", "Bone/Pos"))


def turned(axis: str, degrees: float) -> Rotation:
    return Rotation.from_euler(axis, degrees, degrees=True)


def vmc_of(pose: Pose) -> list[tuple[str, tuple]]:
    with OscReceiver() as receiver, VmcOutput("127.0.0.1", receiver.port) as output:
        output.send(pose)
        assert (output.sent, output.failed) == (1, 0)
        return receiver.wait_for(25)


def bones_of(pose: Pose) -> dict[str, np.ndarray]:
    return {
        arguments[0]: np.array(arguments[1:]) for path, arguments in vmc_of(pose) if path == BONE
    }


def assert_turned(quaternion: np.ndarray, expected: tuple[float, ...]) -> None:
    """Both signs are the same rotation."""
    sign = 1.0 if quaternion @ np.array(expected) > 0 else -1.0
    np.testing.assert_allclose(sign * quaternion, expected, atol=1e-6)


def test_vmc_of_the_t_pose() -> None:
    messages = vmc_of(body())
    assert messages[0] == (OK, (1, 3, 0, 1)) and messages[1] == (TIME, (0.0,))
    assert messages[2] == (ROOT, ("root", 0, 0, 0, 0, 0, 0, 1))
    bones = {arguments[0]: np.array(arguments[1:]) for _, arguments in messages[3:]}
    assert len(messages) == 25 and len(bones) == 22
    for numbers in bones.values():
        assert_turned(numbers[3:], (0, 0, 0, 1))
    # Our z is backward, Unity's forward.
    np.testing.assert_allclose(bones["Hips"][:3], (0.3, 0.95, 0.2), atol=1e-6)
    np.testing.assert_allclose(bones["RightLowerLeg"][:3], (0, -0.405, 0), atol=1e-6)
    np.testing.assert_allclose(bones["LeftToes"][:3], (0, -0.050, 0.151), atol=1e-6)
    assert bones["LeftHand"][0] < 0 < bones["RightHand"][0]


@pytest.mark.parametrize(
    ("joint", "turn", "bone", "expected"),
    [
        # Unity's axes are left-handed: what turns about x or y turns the other way, about z not.
        ("pelvis", turned("x", 90), "Hips", (-HALF, 0, 0, HALF)),
        ("pelvis", turned("y", 90), "Hips", (0, -HALF, 0, HALF)),
        ("pelvis", turned("z", 90), "Hips", (0, 0, HALF, HALF)),
        ("right_shoulder", turned("z", 90), "RightUpperArm", (0, 0, HALF, HALF)),
        ("left_shoulder", turned("z", -90), "LeftUpperArm", (0, 0, -HALF, HALF)),
        ("left_hip", turned("x", 90), "LeftUpperLeg", (-HALF, 0, 0, HALF)),
        ("right_elbow", turned("y", 90), "RightLowerArm", (0, -HALF, 0, HALF)),
    ],
)
def test_vmc_of_one_turned_joint(
    joint: str, turn: Rotation, bone: str, expected: tuple[float, ...]
) -> None:
    bones = bones_of(body({joint: turn}))
    assert_turned(bones.pop(bone)[3:], expected)
    for numbers in bones.values():
        assert_turned(numbers[3:], (0, 0, 0, 1))


def test_vmc_says_when_tracking_is_bad_and_sends_no_bones() -> None:
    with OscReceiver() as receiver, VmcOutput("127.0.0.1", receiver.port) as output:
        output.send(Pose(timestamp_ns=1))
        output.send(body(timestamp_ns=FRAME_NS, status=PoseStatus.INVALID))
        output.send(body(timestamp_ns=2 * FRAME_NS))
        messages = receiver.wait_for(29)
    assert [m for m in messages if m[0] == OK] == [(OK, (1, 3, 0, 0))] * 2 + [(OK, (1, 3, 0, 1))]
    assert [path for path, _ in messages[:4]] == [OK, TIME] * 2


def test_vmc_caps_the_rate_and_counts_time_from_the_start() -> None:
    start_ns = 10**15
    with OscReceiver() as receiver, VmcOutput("127.0.0.1", receiver.port) as output:
        for index in range(10):
            output.send(body(timestamp_ns=start_ns + index * 2_500_000))
        assert (output.sent, output.skipped) == (5, 5)
        messages = receiver.wait_for(5 * 25)
    times = [arguments[0] for path, arguments in messages if path == TIME]
    np.testing.assert_allclose(times, 0.005 * np.arange(5), atol=1e-6)


def vrchat_of(pose: Pose, **options: object) -> dict[str, np.ndarray]:
    with (
        OscReceiver() as receiver,
        VrchatOutput("127.0.0.1", receiver.port, **options) as output,  # type: ignore[arg-type]
    ):
        output.send(pose)
        messages = receiver.wait_for(2 * len(output._joints))
    return {path.removeprefix("/tracking/trackers/"): np.array(a) for path, a in messages}


def test_vrchat_of_the_t_pose() -> None:
    sent = vrchat_of(body())
    assert len(sent) == 18
    hip, feet = np.array((0.3, 0.95, 0.2)), REST_OFFSETS_M[[1, 4, 7]].sum(axis=0) * (1, 1, -1)
    np.testing.assert_allclose(sent["1/position"], hip, atol=1e-6)
    np.testing.assert_allclose(sent["3/position"], hip + feet, atol=1e-6)
    assert sent["head/position"][1] > sent["2/position"][1] > sent["1/position"][1]
    assert sent["7/position"][0] < sent["5/position"][0] < sent["6/position"][0]
    for path, numbers in sent.items():
        if path.endswith("rotation"):
            np.testing.assert_allclose(numbers, 0, atol=1e-4)


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (turned("y", 90), (0, -90, 0)),
        (turned("x", 40), (-40, 0, 0)),
        (turned("z", 90), (0, 0, 90)),
    ],
)
def test_vrchat_of_a_turned_body(turn: Rotation, expected: tuple[float, ...]) -> None:
    sent = vrchat_of(body({"pelvis": turn}))
    for name in (*map(str, range(1, 9)), "head"):
        np.testing.assert_allclose(sent[f"{name}/rotation"], expected, atol=1e-3)


def test_vrchat_of_a_body_that_lies_on_its_back() -> None:
    """Turned by 90 degrees about x, where y and z are one: the angles say the same rotation."""
    sent = vrchat_of(body({"pelvis": turned("x", 90)}))
    for name in (*map(str, range(1, 9)), "head"):
        angles = sent[f"{name}/rotation"]
        built = Rotation.from_euler("YXZ", angles[[1, 0, 2]], degrees=True)
        assert (built * turned("x", 90)).magnitude() < 1e-3
    # The head is where it was above the hip: behind it, which is Unity's -z.
    head, hip = sent["head/position"], sent["1/position"]
    assert head[2] < hip[2] - 0.5 and abs(head[0] - hip[0]) < 1e-5


def test_vrchat_of_a_raised_arm() -> None:
    sent = vrchat_of(body({"right_shoulder": turned("z", 90)}))
    still = vrchat_of(body())
    upper_arm_m = float(np.linalg.norm(REST_OFFSETS_M[JOINT_NAMES.index("right_elbow")]))
    shoulder = still["8/position"] - (upper_arm_m, 0, 0)
    np.testing.assert_allclose(sent["8/position"], shoulder + (0, upper_arm_m, 0), atol=1e-4)
    np.testing.assert_allclose(sent["8/rotation"], (0, 0, 90), atol=1e-2)
    np.testing.assert_allclose(sent["7/rotation"], (0, 0, 0), atol=1e-2)


def test_vrchat_of_a_raised_thigh() -> None:
    sent = vrchat_of(body({"left_hip": turned("x", 90)}))
    np.testing.assert_allclose(sent["5/rotation"], (-90, 0, 0), atol=0.1)
    np.testing.assert_allclose(sent["6/rotation"], (0, 0, 0), atol=1e-3)
    # Knee and ankle are ahead of the hip, at its height: a lower leg that points forward.
    ahead = sent["3/position"] - sent["5/position"]
    np.testing.assert_allclose(ahead, (0, 0, 0.440), atol=1e-5)


def test_vrchat_sends_the_trackers_and_the_scale_asked_for() -> None:
    whole = vrchat_of(body())
    few = vrchat_of(body(), trackers=("hip", "feet"), scale=0.5)
    names = {"1", "2", "3", "head"}
    assert few.keys() == {f"{n}/{what}" for n in names for what in ("position", "rotation")}
    np.testing.assert_allclose(few["2/position"], 0.5 * whole["3/position"], atol=1e-6)


def test_unity_euler_angles_are_applied_z_x_y() -> None:
    rotations = Rotation.random(200, random_state=3)
    angles = unity_euler_deg(rotations.as_quat())
    built = Rotation.from_euler("YXZ", angles[:, [1, 0, 2]], degrees=True)
    assert (built * rotations.inv()).magnitude().max() < 1e-6


@pytest.mark.parametrize("kind", [VmcOutput, VrchatOutput])
def test_a_dead_peer_is_counted_and_nothing_is_raised(kind: type[VmcOutput]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with kind("127.0.0.1", port) as output:
        for index in range(20):
            output.send(body(timestamp_ns=(index + 1) * FRAME_NS))
        assert output.failed > 0 and output.sent + output.failed == 20
        assert "refused" in output.last_error and "failed" in output.summary()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "temporarily"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "unreachable"),
        (OSError(errno.ENOBUFS, "No buffer space available"), "buffer"),
    ],
    ids=["full socket", "unplugged", "no buffers"],
)
def test_what_the_network_refuses_is_counted_and_delays_nothing(
    error: OSError, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def send(self, packet: bytes) -> int:
            raise error

        def close(self) -> None:
            pass

    for kind in (VmcOutput, VrchatOutput):
        with kind("127.0.0.1", 39539) as output:
            assert output._peer._socket.getblocking() is False
            output._peer._socket.close()
            monkeypatch.setattr(output._peer, "_socket", Refusing())
            for index in range(5):
                output.send(body(timestamp_ns=(index + 1) * FRAME_NS))
            assert (output.sent, output.failed) == (0, 5) and told in output.summary()


def test_a_peer_that_comes_back_gets_poses_again() -> None:
    with OscReceiver() as receiver:
        port = receiver.port
    output = VmcOutput("127.0.0.1", port)
    output.send(body(timestamp_ns=FRAME_NS))
    output.send(body(timestamp_ns=2 * FRAME_NS))
    assert output.failed
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", port))
        again.settimeout(20.0)
        for index in range(3, 6):
            output.send(body(timestamp_ns=index * FRAME_NS))
        assert again.recv(65536).startswith(b"#bundle")
    output.close()


def test_packets_stay_below_what_travels_in_one_piece() -> None:
    messages = [bytes(80)] * 60
    packets = _bundles(messages)
    assert len(packets) == 4 and max(map(len, packets)) <= MAX_PACKET_BYTES
    assert sum(packet.count(bytes(80)) for packet in packets) == 60


def test_a_closed_output_takes_nothing_and_closes_twice() -> None:
    output = VmcOutput("127.0.0.1", 39539)
    output.close()
    output.close()
    with pytest.raises(SameError, match="closed"):
        output.send(body())


def test_what_is_no_pose_is_refused() -> None:
    with (
        VmcOutput("127.0.0.1", 39539) as output,
        pytest.raises(InvalidInputError, match="expected a Pose, got int"),
    ):
        output.send(3)  # type: ignore[arg-type]


def test_without_python_osc_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pythonosc.osc_message_builder", None)
    for kind in (VmcOutput, VrchatOutput):
        with pytest.raises(InvalidInputError, match=r"pip install .*\[xr\]'"):
            kind("127.0.0.1")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("osc://127.0.0.1:9000", "'osc' is not known"),
        ("127.0.0.1:9000", "expected an address such as vmc://"),
        ("vmc://", "names no host"),
        ("vmc://127.0.0.1:port", "expected an address such as"),
        ("vmc://127.0.0.1:70000", "expected an address such as"),
        ("vmc://127.0.0.1:0", "expected an address such as"),
        ("vmc://127.0.0.1/there", "host and port are all"),
        ("vmc://127.0.0.1?trackers=hip", "unknown options"),
        ("vrchat://127.0.0.1?trackers=nose", "trackers: expected some of hip, chest"),
        ("vrchat://127.0.0.1?scale=tall", "scale is not a number"),
        ("vrchat://127.0.0.1?scale=0", "scale: expected"),
        ("vrchat://127.0.0.1?size=2", "unknown options"),
        ("vmc://no-such-host.invalid:39539", "no-such-host.invalid: unknown host"),
    ],
)
def test_wrong_addresses_say_what_is_expected(address: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        open_output(address)
    assert "\n" not in str(caught.value)


def test_addresses_open_their_outputs() -> None:
    with open_output("vmc://localhost") as vmc, open_output("vrchat://127.0.0.1") as vrchat:
        assert (vmc.name, vrchat.name) == ("vmc://localhost:39539", "vrchat://127.0.0.1:9000")


class Slow(Output):
    """Takes its time, and cannot take every pose."""

    def __init__(self) -> None:
        super().__init__("slow")
        self.taken: list[int] = []
        self.closed = False

    def _send(self, pose: Pose) -> bool:
        if pose.timestamp_ns == 0:
            raise ValueError("a bug")
        self.taken.append(pose.timestamp_ns)
        return True

    def _close(self) -> None:
        self.closed = True


def test_a_background_sends_the_newest_survives_bugs_and_closes_its_outputs() -> None:
    slow = Slow()
    with Background(slow) as background:
        for index in range(200):
            background.send(Pose(timestamp_ns=index))
    assert slow.closed and slow.taken[-1] == 199
    assert slow.taken == sorted(slow.taken) and background.sent + background.skipped == 200
    assert slow.sent == len(slow.taken)
    assert background.failed in (0, 1), "only the pose of time 0 meets the bug"


def test_an_output_that_always_raises_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Slow):
        def _send(self, pose: Pose) -> bool:
            raise ValueError("a bug")

    broken = Broken()
    with Background(broken) as background:
        for index in range(5):
            background.send(Pose(timestamp_ns=index))
            deadline = time.monotonic() + 20.0
            while background.failed <= index and time.monotonic() < deadline:
                time.sleep(1e-3)
    assert background.failed == 5 and background.last_error == "a bug"
    assert len([record for record in caplog.records if record.exc_info]) == 1


def test_all_outputs_in_the_background_are_closed_whatever_one_raises() -> None:
    closed = []

    class Ends(Output):
        def __init__(self, name: str) -> None:
            super().__init__(name)
            self._name = name

        def _send(self, pose: Pose) -> bool:
            return True

        def _close(self) -> None:
            closed.append(self._name)
            if self._name == "first":
                raise RecordingError("no room")

    with pytest.raises(RecordingError, match="no room"):
        Background(Ends("first"), Ends("second")).close()
    assert closed == ["first", "second"]
