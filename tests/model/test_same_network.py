import pytest
import torch
from tiny_model import TINY, fusion_inputs, sequence_inputs, tiny_model, window_inputs

from same_model.config import PRESETS
from same_model.losses import LossConfig, same_loss
from same_model.network.standing_pose import standing_joints_cam_left
from same_model.same_network import SameModel

PER_FRAME = (
    "images",
    "view_valid",
    "imu_features",
    "T_anchor_cam",
    "time_offset_s",
    "window_valid",
)


@pytest.mark.parametrize(
    "change",
    [{}, {"depth_mode": "z"}, {"use_sa_mvf_pe": False}, {"fusion_kind": "concat_lstm"}],
)
def test_streaming_equals_offline(change: dict[str, object]) -> None:
    model = tiny_model(**change)
    inputs = sequence_inputs(110)
    inputs["view_valid"][5:8] = 0.0
    inputs["view_valid"][12, 1] = 0.0
    inputs["imu_features"][20:23, 3] = 0.0
    state = model.initial_state()
    with torch.no_grad():
        offline = model.forward_sequence(**inputs)
        visual = model.find_joints(inputs["images"])
        cached = model.forward_sequence(**(inputs | {"images": None}), visual=visual)
        torch.testing.assert_close(cached.joints_anchor, offline.joints_anchor, atol=1e-6, rtol=0)
        for frame in range(110):
            now = {n: x[frame] if n in PER_FRAME else x for n, x in inputs.items()}
            step = model.step(**now, state=state)
            state = step.state
            for streamed, whole in (
                (step.joints_anchor[-1], offline.joints_anchor[frame]),
                (step.joints_local, offline.joints_local[frame]),
                (step.joint_confidence, offline.joint_confidence[frame]),
            ):
                torch.testing.assert_close(streamed, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["same", "concat_lstm"])
def test_training_window_equals_offline(kind: str) -> None:
    model = tiny_model(fusion_kind=kind)
    sequence = sequence_inputs(TINY.window)
    window = {n: x[None] for n, x in sequence.items()}
    for name in ("T_anchor_cam", "time_offset_s", "window_valid"):
        window[name] = window[name][:, -1]
    with torch.no_grad():
        offline = model.forward_sequence(**sequence)
        trained = model(**window)
    torch.testing.assert_close(
        trained.joints_anchor[0, -1], offline.joints_anchor[-1], atol=1e-5, rtol=0
    )
    torch.testing.assert_close(
        trained.joints_local[0, :, -1], offline.joints_local, atol=1e-5, rtol=0
    )


def test_a_fresh_network_that_sees_nothing_predicts_a_standing_person() -> None:
    config = PRESETS["lite"]
    model = SameModel(config).eval()
    inputs = sequence_inputs(1, config)
    for name in ("view_valid", "imu_features"):
        inputs[name] = torch.zeros_like(inputs[name])
    with torch.no_grad():
        out = model.forward_sequence(**inputs)
    standing = torch.from_numpy(standing_joints_cam_left())
    torch.testing.assert_close(out.joints_local[0], standing)


def test_every_weight_learns() -> None:
    model = tiny_model().train()
    inputs = window_inputs(2)
    out = model(**inputs)
    (
        out.joints_anchor.square().sum()
        + out.visual.heatmap_logits.square().mean()
        + out.visual.visibility_logits.square().sum()
        + out.inertial.joints_imu.square().sum()
    ).backward()
    # A bias before a softmax or a batch norm has a gradient of zero, but it has one.
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        if parameter.ndim > 1:
            assert parameter.grad.abs().max() > 0, name


def test_frozen_backbones_stay_as_they_are() -> None:
    model = tiny_model()
    model.freeze_backbones()
    model.train()
    before = {n: x.clone() for n, x in model.state_dict().items()}
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    model(**window_inputs(1)).joints_anchor.square().mean().backward()
    optimiser.step()
    changed = {n.split(".")[0] for n, x in model.state_dict().items() if (x != before[n]).any()}
    assert changed == {"fusion", "temporal"}


def test_overfits_one_batch() -> None:
    torch.manual_seed(0)
    model = SameModel(TINY).train()
    inputs = window_inputs(2)
    truth_local = torch.from_numpy(standing_joints_cam_left()) + 0.15 * torch.randn(2, 8, 22, 3)
    T = inputs["T_anchor_cam"]
    truth_anchor = truth_local @ T[..., :3, :3].transpose(-1, -2) + T[..., None, :3, 3]
    truth_anchor = truth_anchor + 0.05
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        loss = same_loss(
            model(**inputs), truth_local, truth_anchor, inputs["window_valid"], LossConfig(ground=0)
        ).total
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10


def test_half_precision_keeps_coordinates_in_float32() -> None:
    model = tiny_model()
    inputs = fusion_inputs(1)
    images = torch.randn(1, 2, 1, TINY.input_height, TINY.input_width)
    with torch.no_grad():
        expected, expected_visual = model.fusion(**inputs), model.visual(images)
        inputs["features"] = inputs["features"].half()
        came, visual = model.fusion.half()(**inputs), model.visual.half()(images)
    assert came.joints.dtype == came.joint_confidence.dtype == torch.float32
    assert visual.joints_2d.dtype == visual.visibility.dtype == torch.float32
    assert visual.features.dtype == torch.float16
    assert (came.joints - expected.joints).abs().max() < 5e-3
    assert (visual.joints_2d - expected_visual.joints_2d).abs().max() < 0.05


def test_export_sees_one_operator_per_iteration_and_small_ranks() -> None:
    model = tiny_model()
    # One frame, as it is exported; a batch would have a sixth axis.
    fusion = {name: value[0] for name, value in fusion_inputs(1).items()}
    graph = torch.export.export(model.fusion, (), fusion).graph
    names = [str(node.target) for node in graph.nodes if node.op == "call_function"]
    assert sum("same.spatial_aware_deform_attn" in name for name in names) == TINY.iterations
    # The one that is left reads the viewing rays at the joints.
    assert sum("grid_sampl" in name for name in names) == 1
    inputs = sequence_inputs(1)
    for stage, arguments in (
        (model.visual, (inputs["images"],)),
        (model.inertial, (inputs["imu_features"][None], model.inertial.initial_state())),
        (
            model.temporal,
            (
                torch.randn(1, TINY.window, TINY.window_points, 3),
                inputs["T_anchor_cam"],
                inputs["time_offset_s"],
                inputs["window_valid"],
            ),
        ),
        (model.fusion, tuple(fusion.values())),
    ):
        program = torch.export.export(stage, arguments)
        for node in program.graph.nodes:
            value = node.meta.get("val")
            if isinstance(value, torch.Tensor):
                assert value.ndim <= 5, node
        expected = torch.utils._pytree.tree_leaves(stage(*arguments))
        came = torch.utils._pytree.tree_leaves(program.module()(*arguments))
        for wanted, got in zip(expected, came, strict=True):
            torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)
