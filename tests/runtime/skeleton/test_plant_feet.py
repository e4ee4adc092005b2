"""Feet that stand are held, feet that move are not, and the body is never dragged."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from posed_bodies import FRAME_NS, body
from scipy.spatial.transform import Rotation

from same_runtime import InvalidInputError, Pose, Skeleton, SkeletonSolver
from same_runtime.conventions import JOINT_NAMES
from same_runtime.skeleton.bone_lengths import bone_lengths

TOES = [JOINT_NAMES.index("left_foot"), JOINT_NAMES.index("right_foot")]
LEG_JOINTS = [i for i, n in enumerate(JOINT_NAMES) if n.endswith(("knee", "ankle", "foot"))]
SEATED = {
    f"{side}_{joint}": Rotation.from_euler("x", angle, degrees=True)
    for side in ("left", "right")
    for joint, angle in (("hip", 85), ("knee", -85))
}
LYING = {"pelvis": Rotation.from_euler("x", 90, degrees=True)}


def moved(pose: Pose, by: object, joints: object = slice(None)) -> Pose:
    places = pose.joints_world.copy()
    places[joints] += by
    return replace(pose, joints_world=places)


def run(
    at: Callable[[int], Pose], frames: int, ground_y_m: float = 0.0
) -> tuple[list[Skeleton], list[Skeleton]]:
    """Without and with planted feet."""
    results: tuple[list[Skeleton], list[Skeleton]] = [], []
    for plant, skeletons in zip((False, True), results, strict=True):
        solver = SkeletonSolver(bone_lengths(body().joints_world), ground_y_m, plant)
        for index in range(frames):
            skeleton = solver.solve(replace(at(index), timestamp_ns=(index + 1) * FRAME_NS))
            assert skeleton is not None
            skeletons.append(skeleton)
    return results


def toes(skeletons: list[Skeleton]) -> np.ndarray:
    return np.stack([s.joints_world[TOES] for s in skeletons])


def travel_m(places: np.ndarray) -> float:
    """Longest way of a foot, on the floor."""
    return float(np.linalg.norm(np.diff(places[..., [0, 2]], axis=0), axis=-1).sum(axis=0).max())


def check_only_legs_moved(free: list[Skeleton], planted: list[Skeleton]) -> None:
    body_joints = np.delete(np.arange(22), LEG_JOINTS)
    for a, b in zip(free, planted, strict=True):
        np.testing.assert_allclose(
            a.joints_world[body_joints], b.joints_world[body_joints], atol=1e-9
        )
        np.testing.assert_allclose(bone_lengths(b.joints_world), b.bone_lengths_m, atol=1e-9)


@pytest.mark.parametrize("turns", [{}, SEATED], ids=["standing", "seated"])
def test_standing_feet_stay_while_the_body_trembles(turns: dict) -> None:
    rng = np.random.default_rng(3)
    noise = np.cumsum(rng.normal(0, 0.0015, (180, 22, 3)), axis=0)
    noise -= noise.mean(axis=0)
    base = body(turns)
    base = moved(base, (0, 0.04 - base.joints_world[TOES, 1].min(), 0))
    free, planted = run(lambda i: moved(base, noise[i]), 180)
    settled = toes(planted)[45:]
    assert travel_m(toes(free)[45:]) > 0.25
    assert travel_m(settled) < 0.05 * 135 * 1e-9 * FRAME_NS + 0.03
    assert min(s.foot_contacts.min() for s in planted[45:]) > 0.5
    check_only_legs_moved(free, planted)


def test_a_foot_that_steps_is_followed() -> None:
    def at(index: int) -> Pose:
        # From 0.5 s to 0.9 s the left leg swings 70 cm to the front and back.
        phase = np.clip((index - 45) / 36, 0, 1)
        angle = 30 * np.sin(np.pi * phase)
        turns = {
            "left_hip": Rotation.from_euler("x", 2.0 * angle, degrees=True),
            "left_knee": Rotation.from_euler("x", -angle, degrees=True),
        }
        return body(turns)

    free, planted = run(at, 150)
    apart = np.linalg.norm(toes(free)[:, 0] - toes(planted)[:, 0], axis=-1)
    assert apart.max() < 0.20 and apart[56:66].max() < 0.02
    assert all(s.foot_contacts[0] < 0.1 for s in planted[55:70])
    assert all(s.foot_contacts[1] > 0.9 for s in planted[45:])
    np.testing.assert_allclose(toes(planted)[-1], toes(free)[-1], atol=0.01)
    steps = np.linalg.norm(np.diff(toes(planted)[:, 0], axis=0), axis=-1)
    assert steps.max() < 1.5 * np.linalg.norm(np.diff(toes(free)[:, 0], axis=0), axis=-1).max()


def test_a_body_that_goes_away_takes_its_feet_along() -> None:
    free, planted = run(lambda i: moved(body(), (0, 0, -0.02 * max(i - 45, 0))), 120)
    check_only_legs_moved(free, planted)
    apart = np.linalg.norm(toes(free) - toes(planted), axis=-1)
    assert apart.max() < 0.25 and apart[-1].max() < 0.02


def test_feet_are_lifted_onto_the_floor_and_never_pulled_down_to_it() -> None:
    sunk, floating = (lambda _, by=by: moved(body(), (0, by, 0)) for by in (-0.12, 0.4))
    free, planted = run(sunk, 60)
    assert toes(free)[..., 1].min() < -0.05
    assert toes(planted)[..., 1].min() > 0.019
    check_only_legs_moved(free, planted)
    free, planted = run(floating, 60)
    np.testing.assert_allclose(toes(planted), toes(free), atol=1e-6)
    free, planted = run(sunk, 60, ground_y_m=-0.12)
    np.testing.assert_allclose(toes(planted), toes(free), atol=1e-6)


def test_who_lies_is_not_stood_up() -> None:
    lying = body(LYING)
    lying = moved(lying, (0, 0.12 - lying.joints_world[:, 1].min(), 0))
    free, planted = run(lambda _: lying, 60)
    np.testing.assert_allclose(planted[-1].joints_world, free[-1].joints_world, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"plant_feet": "yes"}, "plant_feet"),
        ({"ground_y_m": float("nan")}, "ground_y_m"),
    ],
)
def test_wrong_settings_are_named(wrong: dict, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        SkeletonSolver(**wrong)
