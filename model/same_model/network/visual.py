"""Visual stage: stereo images to feature maps, 2D joints and their visibility."""

from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from same_model.config import ModelConfig
from same_model.network.fpn import FeaturePyramid
from same_model.network.layers import module_dtype
from same_model.network.resnet import ResNet
from same_runtime.conventions import NUM_JOINTS


class VisualOutput(NamedTuple):
    """What the visual stage finds in each view; the first three go on to fusion."""

    features: Tensor
    """(B, V, D, Hf, Wf): F_v."""
    joints_2d: Tensor
    """(B, V, J, 2) float32: soft-argmax (x, y), feature-map pixels, centres at integers."""
    visibility: Tensor
    """(B, V, J) float32 in [0, 1]."""
    heatmap_logits: Tensor
    """(B, V, J, Hf, Wf) float32: log-probability of the joint's place, up to a constant."""
    visibility_logits: Tensor
    """(B, V, J) float32."""


class VisualStage(nn.Module):
    """ResNet and feature pyramid with shared weights over both views."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.feature_dim
        self.backbone = ResNet(config.backbone, config.backbone_width)
        self.pyramid = FeaturePyramid(self.backbone.out_channels, dim)
        self.head = nn.Sequential(
            nn.Conv2d(dim, dim, 1), nn.ReLU(inplace=True), nn.Conv2d(dim, 2 * NUM_JOINTS, 1)
        )
        y, x = torch.meshgrid(
            torch.arange(config.feature_height), torch.arange(config.feature_width), indexing="ij"
        )
        self.pixel_centres: Tensor
        self.register_buffer(
            "pixel_centres", torch.stack([x, y], dim=-1).reshape(-1, 2).float(), persistent=False
        )

    def forward(self, images: Tensor, in_bfloat16: bool = False) -> VisualOutput:
        """Find the joints in ``images`` (B, V, 1, H, W), normalised as ``ModelConfig`` says.

        ``in_bfloat16``: the backbone and the pyramid compute in it, as training may.
        """
        batch, views = images.shape[:2]
        images = images.flatten(0, 1).to(module_dtype(self))
        with torch.autocast(images.device.type, torch.bfloat16) if in_bfloat16 else nullcontext():
            features = self.pyramid(self.backbone(images))
        features = features.to(module_dtype(self))
        height, width = features.shape[-2:]
        # Float32 from here on: half precision has too few bits for sub-pixel coordinates.
        maps = self.head(features).float().reshape(batch, views, 2 * NUM_JOINTS, height * width)
        heatmap_logits, visibility_maps = maps.split(NUM_JOINTS, dim=2)
        probability = torch.softmax(heatmap_logits, dim=-1)
        joints_2d = probability @ self.pixel_centres.float()
        # A joint's visibility is read where its heatmap says the joint is.
        visibility_logits = (probability * visibility_maps).sum(dim=-1)
        return VisualOutput(
            features.reshape(batch, views, -1, height, width),
            joints_2d,
            torch.sigmoid(visibility_logits),
            heatmap_logits.reshape(batch, views, NUM_JOINTS, height, width),
            visibility_logits,
        )
