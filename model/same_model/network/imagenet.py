"""Start the backbone from ImageNet weights that the user has (the paper's "pretrained ResNet")."""

import os

from same_engines.errors import CheckpointError
from same_model.checkpoint import read_tensors
from same_model.network.resnet import ResNet


def load_imagenet_weights(backbone: ResNet, path: str | os.PathLike[str]) -> None:
    """Load torchvision's ResNet-18 or ResNet-50 weights into a full-width ``backbone``.

    The RGB stem is summed over its channels, which equals feeding a gray image three times;
    the classifier is left out. Raises ``CheckpointError``, changing nothing, when the file
    cannot be read or does not fit.
    """
    tensors = {n: t for n, t in read_tensors(path).items() if not n.startswith("fc.")}
    expected = backbone.state_dict()
    stem = tensors.get("conv1.weight")
    if stem is not None and stem.ndim == 4 and stem.shape[1] == 3:
        tensors["conv1.weight"] = stem.sum(dim=1, keepdim=True)
    for name, wanted in expected.items():
        if name.endswith("num_batches_tracked"):
            tensors.setdefault(name, wanted)
        came = tensors.get(name)
        if came is None or came.shape != wanted.shape:
            got = "nothing" if came is None else str(tuple(came.shape))
            raise CheckpointError(
                f"{path}: {name}: expected shape {tuple(wanted.shape)}, got {got}; "
                "weights must be of the same ResNet at full width"
            )
    unexpected = sorted(tensors.keys() - expected.keys())
    if unexpected:
        raise CheckpointError(f"{path}: unexpected weights, the first is {unexpected[0]}")
    backbone.load_state_dict(tensors)
