"""Poses go to the core and come back as they were."""

from dataclasses import fields, replace

import numpy as np
import pytest
from posed_bodies import body

from same_runtime import _core
from same_runtime.calibration.state import CalibrationState
from same_runtime.core_pose import from_core, to_core
from same_runtime.pose import Pose, PoseStatus, Reason
from same_runtime.skeleton.rotations import SkeletonSolver


def some_pose() -> Pose:
    random = np.random.default_rng(4)
    devices, T = np.zeros((5, 4)), np.eye(4)
    devices[[0, 3]] = (0.6, 0.0, 0.8, 0.0)
    T[:3, 3] = random.normal(size=3)
    pose = body(
        timestamp_ns=2**61 + 1,
        status=PoseStatus.LIMITED,
        reasons=(Reason.VIEW_SKEW, Reason.HEAD_LOST, Reason.IMPLAUSIBLE_POSE),
        joints_cam_left=random.normal(size=(22, 3)),
        joint_confidence=random.random(22, np.float32),
        T_world_cam_left=T,
        device_orientations_world=devices,
        latency_ns=5,
    )
    return replace(pose, skeleton=SkeletonSolver().solve(pose))


def assert_same(a: object, b: object) -> None:
    for field in fields(a):  # type: ignore[arg-type]
        came, wanted = getattr(a, field.name), getattr(b, field.name)
        if field.name == "skeleton" and wanted is not None:
            assert_same(came, wanted)
        elif isinstance(wanted, np.ndarray):
            assert (came.dtype, came.flags.writeable) == (wanted.dtype, False), field.name
            np.testing.assert_array_equal(came, wanted, err_msg=field.name)
        else:
            assert came == wanted, field.name


@pytest.mark.parametrize("pose", [Pose(), body(), some_pose()], ids=["default", "body", "all"])
def test_a_pose_comes_back_as_it_was(pose: Pose) -> None:
    assert_same(from_core(to_core(pose)), pose)


def test_what_the_core_gives_out_outlives_it_and_cannot_be_written() -> None:
    core = to_core(some_pose())
    joints, turns = core.joints_world, core.skeleton.rotations_world  # type: ignore[union-attr]
    before = joints.copy(), turns.copy()
    del core
    for array, copy in zip((joints, turns), before, strict=True):
        np.testing.assert_array_equal(array, copy)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_the_core_knows_the_same_statuses_reasons_and_states() -> None:
    for ours, cores in (
        (PoseStatus, _core.PoseStatus),
        (Reason, _core.Reason),
        (CalibrationState, _core.CalibrationState),
    ):
        assert [member.name for member in ours] == [member.name for member in cores]
        assert [member.value for member in cores] == list(range(len(cores)))


def test_arrays_of_another_shape_are_refused() -> None:
    whole = to_core(Pose())
    names: tuple[str, ...] = ("timestamp_ns", "status", "reasons", "joints_world")
    names += ("joints_cam_left", "joint_confidence", "T_world_cam_left")
    names += ("device_orientations_world", "latency_ns", "skeleton")
    given = {name: getattr(whole, name) for name in names}
    for name in names[3:8]:
        with pytest.raises(ValueError, match=f"{name}: expected shape"):
            _core.Pose(**given | {name: np.zeros(3)})
