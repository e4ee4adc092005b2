"""Weights of fewer bits: a bundle of them packs to half, as in a wheel or an app's download.

A float's last bits are noise to a packer. Engines that fold a batch normalisation into its
convolution would bring them back, so it is folded here, and left as one that changes nothing.
"""

import logging

import torch
from torch import Tensor, nn

from same_model.checkpoint import load_checkpoint, save_checkpoint
from same_model.same_network import SameModel
from same_model.training.weights.round_config import RoundConfig
from same_runtime.conventions import NUM_VIEWS

_LOG = logging.getLogger("same")


def round_weights(config: RoundConfig) -> None:
    """Run the command. Raises ``CheckpointError`` for a file that is not one or cannot be
    written."""
    model = load_checkpoint(config.checkpoint)
    fold_batch_norms(model)
    round_parameters(model, config.bits)
    save_checkpoint(config.out, model)
    _LOG.info("wrote %s", config.out)


@torch.no_grad()
def fold_batch_norms(model: SameModel) -> None:
    """Move the scale of every batch normalisation of the visual stage into the convolution before
    it; the stage computes what it did."""
    for conv, norm in _normalised_convolutions(model):
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        conv.weight *= scale[:, None, None, None]
        norm.running_mean *= scale
        norm.running_var *= scale**2
        norm.weight.copy_((norm.running_var + norm.eps).sqrt())


@torch.no_grad()
def round_parameters(model: nn.Module, bits: int) -> None:
    """Round matrices and kernels to ``bits`` after the leading one; vectors stay as they are."""
    for weights in model.parameters():
        if weights.dim() > 1:
            mantissa, exponent = torch.frexp(weights)
            steps = torch.round(torch.ldexp(mantissa, torch.tensor(bits + 1)))
            weights.copy_(torch.ldexp(steps, exponent - bits - 1))


def _normalised_convolutions(model: SameModel) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Each batch normalisation of the visual stage with the convolution whose output it reads."""
    made_by: dict[int, tuple[nn.Conv2d, Tensor]] = {}  # the tensor too: a freed one's id returns
    found = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            made_by[id(output)] = module, output
        elif isinstance(module, nn.BatchNorm2d):
            found.append((made_by[id(inputs[0])][0], module))

    hooks = [module.register_forward_hook(note) for module in model.visual.modules()]
    config = model.config
    model.visual(torch.zeros(1, NUM_VIEWS, 1, config.input_height, config.input_width))
    for hook in hooks:
        hook.remove()
    return found
