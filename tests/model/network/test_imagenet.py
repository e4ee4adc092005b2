from pathlib import Path

import pytest
import torch

from same_engines.errors import CheckpointError
from same_model.network.imagenet import load_imagenet_weights
from same_model.network.resnet import ResNet

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}


def torchvision_names(name: str) -> set[str]:
    """The names in torchvision's published weights, from its module layout."""
    convolutions = 2 if name == "resnet18" else 3
    modules = ["conv1", "bn1"]
    for layer, blocks in enumerate(BLOCKS[name], start=1):
        for block in range(blocks):
            prefix = f"layer{layer}.{block}"
            for index in range(1, convolutions + 1):
                modules += [f"{prefix}.conv{index}", f"{prefix}.bn{index}"]
            if block == 0 and (layer > 1 or name == "resnet50"):
                modules += [f"{prefix}.downsample.0", f"{prefix}.downsample.1"]
    names = {"fc.weight", "fc.bias"}
    for module in modules:
        names.add(f"{module}.weight")
        if "bn" in module or module.endswith("downsample.1"):
            names |= {f"{module}.{part}" for part in ("bias", "running_mean", "running_var")}
    return names


@pytest.mark.parametrize("name", BLOCKS)
def test_names_are_torchvisions(name: str) -> None:
    ours = {n for n in ResNet(name, 1.0).state_dict() if not n.endswith("num_batches_tracked")}
    assert ours == torchvision_names(name) - {"fc.weight", "fc.bias"}


def published(path: Path, backbone: ResNet) -> dict[str, torch.Tensor]:
    tensors = {n: torch.rand_like(x.float()) for n, x in backbone.state_dict().items()}
    tensors = {n: x for n, x in tensors.items() if not n.endswith("num_batches_tracked")}
    tensors["conv1.weight"] = torch.randn(64, 3, 7, 7)
    tensors["fc.weight"], tensors["fc.bias"] = torch.randn(1000, 512), torch.randn(1000)
    torch.save(tensors, path)
    return tensors


def test_gray_stem_answers_as_the_colour_stem_to_a_gray_image(tmp_path: Path) -> None:
    backbone = ResNet("resnet18", 1.0).eval()
    tensors = published(tmp_path / "resnet18.pth", backbone)
    load_imagenet_weights(backbone, tmp_path / "resnet18.pth")
    gray = torch.randn(1, 1, 32, 40)
    colour = torch.conv2d(gray.expand(1, 3, -1, -1), tensors["conv1.weight"], None, 2, 3)
    with torch.no_grad():
        torch.testing.assert_close(backbone.conv1(gray), colour, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        backbone.layer3[1].bn2.running_var, tensors["layer3.1.bn2.running_var"]
    )


def test_weights_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    published(tmp_path / "resnet18.pth", ResNet("resnet18", 1.0))
    for backbone in (ResNet("resnet18", 0.5), ResNet("resnet50", 1.0)):
        before = {n: x.clone() for n, x in backbone.state_dict().items()}
        with pytest.raises(CheckpointError, match="full width"):
            load_imagenet_weights(backbone, tmp_path / "resnet18.pth")
        for name, tensor in backbone.state_dict().items():
            torch.testing.assert_close(tensor, before[name], atol=0, rtol=0)
