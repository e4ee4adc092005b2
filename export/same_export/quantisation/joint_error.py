"""What an error of one stage does to the body: the joints that the following stages make of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from same_export.quantisation.calibrate import Frame

Outputs = Mapping[str, NDArray[Any]]
"""A stage's outputs over several frames, each stacked along the first axis."""


class JointProbe:
    """Turns any stage's outputs into joints, with float stages behind it.

    ``visual`` and ``inertial`` go through a float ``fusion`` that reads what it read in the
    recording for the rest; ``fusion`` and ``temporal`` give joints themselves.
    """

    def __init__(self, fusion: ort.InferenceSession, frames: Sequence[Mapping[str, Frame]]) -> None:
        self._fusion, self._frames = fusion, frames

    def joints(self, stage: str, outputs: Outputs) -> NDArray[np.float64]:
        """(frames, 22, 3) metres: newest joints, in the left-camera or the anchor frame."""
        if stage == "temporal":
            return np.asarray(outputs["joints_anchor"][:, -1], np.float64)
        if stage == "fusion":
            return np.asarray(outputs["joints_local"], np.float64)
        made = []
        for index, frame in enumerate(self._frames):
            feed = dict(frame["fusion"])
            feed.update({name: outputs[name][index] for name in outputs if name in feed})
            made.append(self._fusion.run(["joints_local"], feed)[0])
        return np.asarray(made, np.float64)


def distances_mm(joints: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[Any]:
    """Distance of each joint, millimetres: (..., J, 3) twice -> (..., J)."""
    return 1e3 * np.linalg.norm(joints - reference, axis=-1)
