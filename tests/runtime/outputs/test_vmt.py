"""SteamVR trackers through VMT's driver, decoded by python-osc's server."""

import numpy as np
import pytest
from posed_bodies import body

pytest.importorskip("pythonosc", reason="needs pip install .[xr]")
from osc_receiver import OscReceiver
from scipy.spatial.transform import Rotation

from same_runtime import InvalidInputError, Pose, PoseStatus
from same_runtime.conventions import JOINT_NAMES
from same_runtime.outputs import open_output


def vmt_of(pose: Pose, trackers: str = "") -> dict[int, tuple]:
    """Index -> the arguments of its message; and all that came are of one address."""
    with OscReceiver() as receiver:
        with open_output(f"vmt://127.0.0.1:{receiver.port}{trackers}") as output:
            output.send(pose)
            receiver.wait_for(3 if trackers else 8)
            sent = list(receiver.messages)
        receiver.wait_for(6 if trackers else 16)
        assert [arguments[1] for _, arguments in receiver.messages[len(sent) :]] == [0] * len(sent)
    assert {address for address, _ in sent} == {"/VMT/Room/Unity"}
    return {arguments[0]: arguments[1:] for _, arguments in sent}


def test_a_body_turned_to_its_left_in_unitys_axes() -> None:
    pose = body({"pelvis": Rotation.from_euler("y", 90, degrees=True)})
    there = vmt_of(pose)
    assert sorted(there) == list(range(8))
    for index, name in enumerate(("pelvis", "spine3", "left_ankle", "right_ankle")):
        enable, offset, *numbers = there[index]
        x, y, z = pose.joints_world[JOINT_NAMES.index(name)]
        assert (enable, offset) == (1, 0.0)
        np.testing.assert_allclose(numbers[:3], (x, y, -z), atol=1e-3)
        # To its left about +y up is the other way round in left-handed axes.
        turned = Rotation.from_quat(numbers[3:]).as_rotvec(degrees=True)
        np.testing.assert_allclose(turned, (0, -90, 0), atol=0.1)


def test_trackers_are_chosen_and_numbered_in_order() -> None:
    pose = body()
    there = vmt_of(pose, "?trackers=hip,feet")
    right = pose.joints_world[JOINT_NAMES.index("right_ankle")]
    assert sorted(there) == [0, 1, 2]
    np.testing.assert_allclose(there[2][2:5], right * (1, 1, -1), atol=1e-3)


def test_an_invalid_pose_is_not_sent() -> None:
    with open_output("vmt://127.0.0.1:39570") as output:
        output.send(body(status=PoseStatus.INVALID))
        assert (output.sent, output.skipped, output.failed) == (0, 1, 0)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("vmt://127.0.0.1?trackers=nose", "trackers: expected some of hip, chest"),
        ("vmt://127.0.0.1?scale=2", "unknown options"),
    ],
)
def test_wrong_addresses_say_what_is_expected(address: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        open_output(address)
