"""Fusion stage: image and inertial features to joints in the left-camera frame (Eq. 3-10).

Inside it works in axes that know gravity (``network/upright.py``), where a pose looks alike however
the head is held; shapes below say "left-camera frame" for either.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from same_model.config import ModelConfig
from same_model.network.deform_attn import (
    deform_attn,
    exported_deform_attn,
    sample_bilinear,
    spatial_aware_deform_attn,
)
from same_model.network.layers import (
    SelfAttention,
    attend,
    feed_forward,
    module_dtype,
    offset_head,
    split_heads,
)
from same_model.network.standing_pose import standing_joints_cam_left, standing_joints_upright
from same_model.network.upright import Upright
from same_runtime.conventions import NUM_JOINTS, NUM_VIEWS

_MASK_RAMP = 0.1
_FIRST_TRUST = -1.0  # of a sigmoid: a quarter of the way, in each view


class FusionOutput(NamedTuple):
    """Joints after each iteration and how well the cameras saw them."""

    joints: Tensor
    """(..., N, J, 3) float32 metres, left-camera frame: J_L^1 .. J_L^N; the last is J_L."""
    joint_confidence: Tensor
    """(..., J) float32 in [0, 1]: visibility in the view that sees the joint best: 1 seen, 0.5
    hidden in the image, 0 outside."""


class Views(NamedTuple):
    """What the cameras offer to every iteration."""

    features: Tensor
    """(..., V, D, Hf, Wf)."""
    joints_2d: Tensor
    """(..., V, J, 2) float32, feature pixels."""
    joint_rays: Tensor | None
    """(..., V, J, 3) float32: ``rays`` at ``joints_2d``; zero outside the map. None without the
    3D embedding, which alone follows rays."""
    seen: Tensor
    """(..., V, J): 1 where the joint may be read in the view, 0 where not, a short ramp between."""
    rays: Tensor
    """(..., V, 3, Hf, Wf) float32."""
    origins: Tensor
    """(..., V, 3) float32 metres."""
    axes: Tensor | None
    """(..., V, 3) float32: optical axes; only depth mode ``z`` reads them."""


def _mask(visibility: Tensor, threshold: float) -> Tensor:
    """1 above the threshold, 0 below, with a short ramp between: a hard step would let a
    rounding error of one engine switch a joint's image features on or off."""
    return ((visibility - threshold) / _MASK_RAMP + 0.5).clamp(0.0, 1.0)


def _rays_at(rays: Tensor, joints_2d: Tensor) -> Tensor:
    """``rays`` (..., V, 3, Hf, Wf) at ``joints_2d`` (..., V, J, 2): (..., V, J, 3)."""
    sampled = sample_bilinear(rays.flatten(0, -4), joints_2d.flatten(0, -3)[..., None, :])
    return sampled[..., 0].transpose(-1, -2).unflatten(0, rays.shape[:-3])


def depth_from_view(joints: Tensor, origins: Tensor, axes: Tensor | None) -> Tensor:
    """d(J_L) of Eq. 4 seen from each camera: (..., V, J) metres.

    ``joints`` (..., J, 3), ``origins`` and ``axes`` (..., V, 3), left-camera frame. Distance
    along the ray, or along the optical axes when ``axes`` are given.
    """
    from_camera = joints[..., None, :, :] - origins[..., :, None, :]
    if axes is None:
        return torch.linalg.vector_norm(from_camera, dim=-1)
    return (from_camera * axes[..., :, None, :]).sum(dim=-1)


class SpatialAwareMultiViewFusion(nn.Module):
    """SA-MVF: deformable stereo attention with the depth-guided 3D embedding (Eq. 3-6)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        dim, heads, points = config.feature_dim, config.sampling_heads, config.sampling_points
        self.offsets = nn.Linear(dim, heads * points * 2)
        self.scores = nn.Linear(dim, heads * points)
        self.value = nn.Parameter(torch.empty(heads, dim, dim // heads))
        if config.use_sa_mvf_pe:
            self.shell = nn.Linear(3 * config.shell_points, config.pe_hidden)
            self.embedding = nn.Linear(config.pe_hidden, dim // heads)
        self.output = nn.Linear(dim, dim)
        self.merge = nn.Linear(NUM_VIEWS * dim, dim)
        # Sampled features do not say whose they are; attention over joints must know.
        self.joint_embedding = nn.Parameter(torch.empty(NUM_JOINTS, dim))
        self.attention = SelfAttention(dim, config.mmf_heads)
        self.norm = nn.LayerNorm(dim)
        self._initialise()

    def _initialise(self) -> None:
        heads, points = self.config.sampling_heads, self.config.sampling_points
        nn.init.uniform_(
            self.value, -(self.config.feature_dim**-0.5), self.config.feature_dim**-0.5
        )
        nn.init.normal_(self.joint_embedding)
        # Deformable DETR's start: each head looks its own way, its points on growing rings.
        for layer in (self.offsets, self.scores):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        angle = torch.arange(heads) * (2.0 * math.pi / heads)
        direction = torch.stack([angle.cos(), angle.sin()], dim=-1)
        direction = direction / direction.abs().amax(dim=-1, keepdim=True)
        rings = torch.arange(1, points + 1)
        with torch.no_grad():
            self.offsets.bias.copy_((direction[:, None] * rings[:, None]).reshape(-1))

    def _sample(self, query: Tensor, depth: Tensor, views: Views) -> tuple[Tensor, Tensor | None]:
        heads, points = self.config.sampling_heads, self.config.sampling_points
        offsets = self.offsets(query).to(views.joints_2d.dtype)
        offsets = offsets.unflatten(-1, (heads, points, 2))
        locations = views.joints_2d[..., None, None, :] + offsets[..., None, :, :, :, :]
        weights = torch.softmax(self.scores(query).unflatten(-1, (heads, points)), dim=-1)
        weights = weights[..., None, :, :, :].expand(locations.shape[:-1])
        # The operator knows views alone; a batch is more of them.
        features = views.features.flatten(0, -4)
        locations, weights = locations.flatten(0, -5), weights.flatten(0, -4)
        if not self.config.use_sa_mvf_pe:
            return deform_attn(features, locations, weights), None
        operator = (
            exported_deform_attn if torch.compiler.is_exporting() else spatial_aware_deform_attn
        )
        return operator(
            features,
            views.rays.flatten(0, -4),
            views.origins.flatten(0, -2),
            locations,
            weights,
            depth.flatten(0, -2),
            self.shell.weight,
            self.shell.bias,
            self.config.shell_half_depth_m,
            self.config.pe_weighting == "sum",
        )

    def forward(self, query: Tensor, depth: Tensor, views: Views) -> Tensor:
        """``query`` (..., J, D), ``depth`` (..., V, J) metres -> F_mv (..., J, D)."""
        sampled, position = self._sample(query, depth, views)
        heads = (sampled.transpose(1, 2) @ self.value).transpose(1, 2)
        if position is not None:
            heads = heads + self.embedding(position)
        # Concatenated heads times one matrix is the sum of W_m over the heads.
        per_view = self.output(heads.flatten(2))
        if query.dim() > 2:
            per_view = per_view.unflatten(0, views.seen.shape[:-1])
        per_view = per_view * views.seen[..., None].to(per_view.dtype)
        tokens = self.merge(per_view.transpose(-3, -2).flatten(-2)) + self.joint_embedding
        return self.norm(tokens + self.attention(tokens))


class ModalityAwareLayer(nn.Module):
    """One layer of MA-MMF (Eq. 7-10): a shared query, keys and values of each modality's own."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.feature_dim
        self.heads = config.mmf_heads
        modalities = 2 if config.use_ma_mmf else 1
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.ModuleList(nn.Linear(dim, 2 * dim) for _ in range(modalities))
        self.output = nn.Linear(dim, dim)
        self.attention_norm = nn.LayerNorm(dim)
        self.ffn = feed_forward(dim, config.fusion_ffn_dim)
        self.ffn_norm = nn.LayerNorm(dim)

    def forward(self, query: Tensor, imu_tokens: Tensor, image_tokens: Tensor) -> Tensor:
        """``query`` and ``image_tokens`` (..., J, D), ``imu_tokens`` (..., N, D) -> (..., J, D)."""
        packed = torch.cat([self.key_value[0](imu_tokens), self.key_value[-1](image_tokens)], -2)
        key, value = split_heads(packed, 2 * self.heads).chunk(2, dim=-3)
        attended = self.output(attend(split_heads(self.query(query), self.heads), key, value))
        query = self.attention_norm(query + attended)
        return self.ffn_norm(query + self.ffn(query))


class FusionIteration(nn.Module):
    """SA-MVF, then the layers of MA-MMF, then the head that moves the joints."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.feature_dim
        self.multi_view = SpatialAwareMultiViewFusion(config)
        self.multi_modal = nn.ModuleList(
            ModalityAwareLayer(config) for _ in range(config.mmf_layers)
        )
        self.head = offset_head(dim, dim, 3)
        self.ray_trust = nn.Linear(dim, NUM_VIEWS) if config.use_sa_mvf_pe else None
        if self.ray_trust is not None:
            nn.init.zeros_(self.ray_trust.weight)
            nn.init.constant_(self.ray_trust.bias, _FIRST_TRUST)

    def forward(
        self, query: Tensor, joints: Tensor, imu_tokens: Tensor, views: Views
    ) -> tuple[Tensor, Tensor]:
        """``query`` (..., J, D) and ``joints`` (..., J, 3) float32 -> the same two, refined."""
        depth = depth_from_view(joints, views.origins, views.axes)
        image_tokens = self.multi_view(query, depth, views)
        for layer in self.multi_modal:
            query = layer(query, imu_tokens, image_tokens)
        refined = joints + self.head(query).to(joints.dtype)
        if self.ray_trust is not None:
            trust = torch.sigmoid(self.ray_trust(query)).transpose(-1, -2) * views.seen
            refined = refined + self._towards_rays(joints, depth, trust, views)
        return query, refined

    @staticmethod
    def _towards_rays(joints: Tensor, depth: Tensor, trust: Tensor, views: Views) -> Tensor:
        """How far ``joints`` (..., J, 3) go towards the points of their viewing rays at
        ``depth`` (..., V, J), each view as far as ``trust`` (..., V, J) says: (..., J, 3) metres.

        Tokens of tens of channels hold a place to centimetres; this path is exact.
        """
        assert views.joint_rays is not None
        on_ray = views.origins[..., None, :] + depth[..., None] * views.joint_rays
        return ((on_ray - joints[..., None, :, :]) * trust[..., None].to(joints.dtype)).sum(-3)


class FusionStage(nn.Module):
    """Coarse-to-fine pose in the left-camera frame, starting at the inertial pose."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.feature_dim
        self.upright = Upright() if config.pose_frame == "upright" else None
        self.embed_query = feed_forward(4, dim, dim)
        self.iterations = nn.ModuleList(FusionIteration(config) for _ in range(config.iterations))
        if config.use_joint_embedding:
            self.joint_embedding = nn.Parameter(torch.randn(NUM_JOINTS, dim))
        self.joint_identifier: Tensor
        self.register_buffer(
            "joint_identifier", (torch.arange(NUM_JOINTS) / NUM_JOINTS)[:, None], persistent=False
        )
        self.view_used: Tensor
        self.register_buffer(
            "view_used", torch.tensor([config.use_left, config.use_right]).float(), persistent=False
        )
        if not config.use_imu:
            standing = standing_joints_upright() if self.upright else standing_joints_cam_left()
            self.initial_pose = nn.Parameter(torch.from_numpy(standing))

    def forward(
        self,
        features: Tensor,
        joints_2d: Tensor,
        visibility: Tensor,
        view_valid: Tensor,
        joints_imu: Tensor,
        imu_tokens: Tensor,
        rays: Tensor,
        origins: Tensor,
        axes: Tensor | None = None,
        imu_features: Tensor | None = None,
    ) -> FusionOutput:
        """Fuse one frame, or one frame of each entry of a batch.

        ``features`` (..., V, D, Hf, Wf), ``joints_2d`` (..., V, J, 2) feature pixels,
        ``visibility`` (..., V, J), ``view_valid`` (..., V) 1 or 0, ``joints_imu`` (..., J, 3)
        metres, ``imu_tokens`` (..., N, D), ``rays`` (..., V, 3, Hf, Wf), ``origins``
        (..., V, 3) metres, ``axes`` (..., V, 3), required by depth mode ``z`` and unused
        otherwise, ``imu_features`` (..., N, 16), required in the pose frame ``upright``; the
        leading axis is a batch or absent. All float32 but ``features`` and
        ``imu_tokens``, which are of any precision. A view that is not valid contributes
        nothing, whatever its features hold.
        """
        dtype = module_dtype(self.embed_query)
        R_upright_cam = None
        if self.upright is not None:
            assert imu_features is not None
            R_upright_cam = self.upright.rotation(imu_features)
            R_cam_upright = R_upright_cam.transpose(-1, -2)
            joints_imu, origins = joints_imu @ R_cam_upright, origins @ R_cam_upright
            axes = None if axes is None else axes @ R_cam_upright
            rays = (R_upright_cam[..., None, :, :] @ rays.flatten(-2)).view_as(rays)
        valid = (view_valid * self.view_used.to(view_valid.dtype))[..., None]
        views = Views(
            features.to(dtype),
            joints_2d,
            _rays_at(rays, joints_2d) if self.config.use_sa_mvf_pe else None,
            (valid * _mask(visibility, self.config.confidence_threshold)).to(dtype),
            rays,
            origins,
            axes if self.config.depth_mode == "z" else None,
        )
        if not self.config.use_imu:
            joints_imu = self.initial_pose.to(joints_imu.dtype).expand_as(joints_imu)
            imu_tokens = torch.zeros_like(imu_tokens)
        imu_tokens = imu_tokens.to(dtype)
        identifier = self.joint_identifier.to(joints_imu.dtype).expand(*joints_imu.shape[:-1], 1)
        query = self.embed_query(torch.cat([joints_imu, identifier], dim=-1).to(dtype))
        if self.config.use_joint_embedding:
            query = query + self.joint_embedding
        joints = joints_imu
        refined = []
        for iteration in self.iterations:
            query, joints = iteration(query, joints, imu_tokens, views)
            refined.append(joints)
        every = torch.stack(refined, dim=-3)
        if R_upright_cam is not None:
            every = every @ R_upright_cam[..., None, :, :]
        return FusionOutput(every, (valid * visibility).amax(dim=-2))
