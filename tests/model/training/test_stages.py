import pytest
import torch
from tiny_model import TINY, fusion_inputs, sequence_inputs, tiny_model

from same_model.network import fusion as fusion_module
from same_model.network.standing_pose import standing_joints_cam_left
from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS


def test_standing_pose_is_a_person_seen_from_above() -> None:
    joints = dict(zip(JOINT_NAMES, standing_joints_cam_left(), strict=True))
    head_to_foot = joints["left_foot"] - joints["head"]
    assert 1.4 < (head_to_foot**2).sum() ** 0.5 < 1.65
    assert joints["left_wrist"][0] < joints["right_wrist"][0]
    assert joints["left_foot"][2] > joints["pelvis"][2] > 0
    for child, parent in enumerate(JOINT_PARENTS):
        if parent >= 0:
            bone = standing_joints_cam_left()[child] - standing_joints_cam_left()[parent]
            assert 0.03 < (bone**2).sum() ** 0.5 < 0.5


def test_soft_argmax_finds_a_peak_and_visibility_is_read_there() -> None:
    visual = tiny_model().visual
    maps = torch.full((2, 44, TINY.feature_height, TINY.feature_width), -30.0)
    maps[:, :22, 7, 11] = 30.0
    maps[:, 22:] = 0.0
    maps[0, 22:, 7, 11] = 3.0
    visual.head = torch.nn.Module()
    visual.head.forward = lambda features: maps  # type: ignore[method-assign]
    with torch.no_grad():
        found = visual(torch.randn(1, 2, 1, TINY.input_height, TINY.input_width))
    torch.testing.assert_close(found.joints_2d, torch.tensor([11.0, 7.0]).expand(1, 2, 22, 2))
    torch.testing.assert_close(found.visibility[0, 0], torch.sigmoid(torch.full((22,), 3.0)))
    torch.testing.assert_close(found.visibility[0, 1], torch.full((22,), 0.5))


def test_views_share_the_visual_weights() -> None:
    image = torch.randn(1, 1, 1, TINY.input_height, TINY.input_width)
    with torch.no_grad():
        found = tiny_model().visual(image.expand(1, 2, -1, -1, -1))
    torch.testing.assert_close(found.features[:, 0], found.features[:, 1])
    torch.testing.assert_close(found.joints_2d[:, 0], found.joints_2d[:, 1])


def test_inertial_state_carries_over() -> None:
    inertial = tiny_model().inertial
    features = torch.randn(2, 12, 5, 16)
    with torch.no_grad():
        whole = inertial(features)
        first = inertial(features[:, :5])
        second = inertial(features[:, 5:], first.state)
        forgetful = inertial(features[:, 5:])
    torch.testing.assert_close(second.joints_imu, whole.joints_imu[:, 5:], atol=1e-5, rtol=0)
    torch.testing.assert_close(second.state.c, whole.state.c, atol=1e-5, rtol=0)
    assert (forgetful.joints_imu - second.joints_imu).abs().max() > 1e-3


def test_inertial_spikes_are_bounded() -> None:
    inertial = tiny_model().inertial
    features = torch.randn(1, 4, 5, 16)
    features[0, 1, 3, 9:12] = 1e4
    saturated = features.clone()
    saturated[0, 1, 3, 9:12] = 80.0
    with torch.no_grad():
        torch.testing.assert_close(inertial(features).tokens, inertial(saturated).tokens)


def test_each_device_has_its_own_recurrent_weights() -> None:
    inertial = tiny_model().inertial
    features = torch.zeros(1, 3, 5, 16)
    features[..., :3] = 0.7
    with torch.no_grad():
        tokens = inertial(features).tokens[0, -1]
    assert torch.pdist(tokens).min() > 1e-2


@pytest.mark.parametrize("threshold", [TINY.confidence_threshold, 0.0])
def test_an_invalid_view_contributes_nothing(threshold: float) -> None:
    fusion = tiny_model(confidence_threshold=threshold).fusion
    inputs = fusion_inputs(2)
    inputs["view_valid"] = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    other = fusion_inputs(2, seed=9)
    changed = dict(inputs)
    for name in ("features", "joints_2d", "rays", "visibility"):
        changed[name] = inputs[name].clone()
        changed[name][:, 1] = other[name][:, 1]
    with torch.no_grad():
        alone, mixed = fusion(**inputs), fusion(**changed)
        both = fusion(**(inputs | {"view_valid": torch.ones(2, 2)}))
    torch.testing.assert_close(alone.joints, mixed.joints, atol=0, rtol=0)
    torch.testing.assert_close(alone.joint_confidence, inputs["visibility"][:, 0])
    torch.testing.assert_close(both.joint_confidence, inputs["visibility"].amax(dim=1))
    assert (both.joints - alone.joints).abs().max() > 1e-4


def test_joints_below_the_confidence_threshold_are_masked() -> None:
    fusion = tiny_model().fusion
    inputs = fusion_inputs(1)
    inputs["visibility"][:, :, 4] = TINY.confidence_threshold - 0.06
    moved = inputs | {"joints_2d": inputs["joints_2d"].clone()}
    moved["joints_2d"][:, :, 4] += 3.0
    with torch.no_grad():
        torch.testing.assert_close(fusion(**inputs).joints, fusion(**moved).joints, atol=0, rtol=0)
        inputs["visibility"][:, :, 4] = moved["visibility"][:, :, 4] = 0.9
        difference = fusion(**inputs).joints - fusion(**moved).joints
    assert difference.abs().max() > 1e-5


def test_each_iteration_moves_the_joints_of_the_one_before() -> None:
    inputs = fusion_inputs(1)
    with torch.no_grad():
        joints = tiny_model(iterations=3).fusion(**inputs).joints
    assert joints.shape == (1, 3, 22, 3)
    assert (joints[:, 1:] - joints[:, :-1]).abs().amax(dim=(0, 2, 3)).min() > 1e-4


@pytest.mark.parametrize(
    "change",
    [
        {"use_joint_embedding": False},
        {"use_sa_mvf_pe": False},
        {"use_ma_mmf": False},
        {"depth_mode": "z"},
        {"pe_weighting": "sum"},
        {"use_imu": False},
        {"use_left": False},
        {"use_right": False},
    ],
)
def test_each_fusion_switch_changes_the_result(change: dict[str, object]) -> None:
    full, ablated = tiny_model().fusion, tiny_model(**change).fusion
    # The same weights wherever both have them, so that only the switch makes a difference.
    ablated.load_state_dict(full.state_dict(), strict=False)
    inputs = fusion_inputs(1)
    with torch.no_grad():
        difference = full(**inputs).joints - ablated(**inputs).joints
    assert difference.abs().max() > 1e-5


def test_ablations_drop_their_weights() -> None:
    names = {name for name, _ in tiny_model().named_parameters()}
    without_pe = {name for name, _ in tiny_model(use_sa_mvf_pe=False).named_parameters()}
    gone = {name.rsplit(".", 2)[-2] for name in names - without_pe}
    assert gone == {"embedding", "shell", "ray_trust"}
    vanilla = {name for name, _ in tiny_model(use_ma_mmf=False).named_parameters()}
    assert all(".key_value.1." in name for name in names - vanilla)
    assert not any(
        name.startswith("temporal") for name, _ in tiny_model(use_ttn=False).named_parameters()
    )


def test_without_the_3d_embedding_no_ray_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    sample = fusion_module.sample_bilinear
    monkeypatch.setattr(
        fusion_module, "sample_bilinear", lambda *maps: read.append(maps) or sample(*maps)
    )
    inputs = fusion_inputs(2)
    with torch.no_grad():
        tiny_model(use_sa_mvf_pe=False).fusion(**inputs)
        assert not read
        tiny_model().fusion(**inputs)
        assert read


def test_without_imu_the_readings_do_not_matter() -> None:
    fusion = tiny_model(use_imu=False).fusion
    inputs = fusion_inputs(1)
    other = inputs | {name: fusion_inputs(1, seed=8)[name] for name in ("joints_imu", "imu_tokens")}
    with torch.no_grad():
        torch.testing.assert_close(fusion(**inputs).joints, fusion(**other).joints, atol=0, rtol=0)


def test_invalid_window_rows_reach_no_other_and_pass_through() -> None:
    temporal = tiny_model().temporal
    inputs = sequence_inputs(3)
    points = torch.randn(1, TINY.window, TINY.window_points, 3)
    T, offset, valid = (
        inputs[name][-1:] for name in ("T_anchor_cam", "time_offset_s", "window_valid")
    )
    assert 0 < valid.sum() < TINY.window
    other = points.clone()
    other[valid == 0] += 1.0
    with torch.no_grad():
        refined, changed = temporal(points, T, offset, valid), temporal(other, T, offset, valid)
    torch.testing.assert_close(refined[valid == 1], changed[valid == 1], atol=0, rtol=0)
    torch.testing.assert_close(changed[valid == 0], other[valid == 0][:, :22])


def test_without_ttn_joints_are_only_moved_to_the_anchor_frame() -> None:
    inputs = sequence_inputs(TINY.window)
    T = inputs["T_anchor_cam"][-1:]
    joints = torch.randn(1, TINY.window, 22, 3)
    arguments = (joints, T, inputs["time_offset_s"][-1:], inputs["window_valid"][-1:])
    with torch.no_grad():
        moved = tiny_model(use_ttn=False).temporal(*arguments)
        refined = tiny_model(use_imu_filter=False).temporal(*arguments)
    homogeneous = torch.cat([joints, torch.ones(1, TINY.window, 22, 1)], dim=-1)
    expected = torch.einsum("btij,btnj->btni", T, homogeneous)[..., :3]
    torch.testing.assert_close(moved, expected)
    assert (refined - moved).abs().max() > 1e-3
