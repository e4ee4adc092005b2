"""Feature pyramid that gathers all scales into one stride-4 map (Lin et al., 2017)."""

import torch.nn.functional as F
from torch import Tensor, nn


class FeaturePyramid(nn.Module):
    """Top-down pyramid; only its finest level is made, since nothing reads the others."""

    def __init__(self, in_channels: list[int], out_channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, out_channels, 1) for c in in_channels)
        self.smooth = nn.Sequential(
            # Per channel: the laterals have mixed them, and a full convolution at this size
            # would cost as much as the whole first layer of the backbone.
            nn.Conv2d(out_channels, out_channels, 3, padding=1, groups=out_channels, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps finest first, (B, in_channels[i], H_i, W_i) -> (B, out_channels, H_0, W_0)."""
        x = self.lateral[-1](maps[-1])
        for finer, lateral in zip(maps[-2::-1], list(self.lateral)[-2::-1], strict=True):
            height, width = finer.shape[-2:]
            # Doubling and cropping keeps the scale an integer, which every engine resizes alike.
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")[..., :height, :width]
            x = x + lateral(finer)
        return self.smooth(x)
