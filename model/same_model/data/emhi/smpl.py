"""Joints of the user's own SMPL model: its skeleton only, never its mesh in any output."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_engines.json_values import whole_number
from same_model.data.array_files import load_arrays
from same_model.data.emhi.unpickle import InertObject, load_pickle
from same_runtime.conventions import JOINT_PARENTS, NUM_JOINTS

_MOST_ELEMENTS = 1 << 24
_INERT = frozenset(
    {
        ("chumpy.ch", "Ch"),
        ("chumpy", "Ch"),
        ("chumpy.reordering", "Select"),
        ("scipy.sparse.csc", "csc_matrix"),
        ("scipy.sparse._csc", "csc_matrix"),
    }
)


@dataclass(frozen=True)
class SmplSkeleton:
    """Rest joints as a function of shape, and the kinematic tree of the 22 body joints."""

    rest: NDArray[np.float64]
    """(22, 3) metres."""
    directions: NDArray[np.float64]
    """(22, 3, 10) per shape coefficient."""

    def joints(
        self,
        betas: NDArray[np.float64],
        global_orient: NDArray[np.float64],
        body_pose: NDArray[np.float64],
        translation: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """World joints (22, 3) of SMPL parameters (10,), (3,), (69,), (3,)."""
        rest = self.rest + self.directions @ betas
        local = Rotation.from_rotvec(np.concatenate([global_orient, body_pose]).reshape(-1, 3))
        world = [local[0]]
        out = [rest[0]]
        for j in range(1, NUM_JOINTS):
            p = JOINT_PARENTS[j]
            out.append(out[p] + world[p].apply(rest[j] - rest[p]))
            world.append(world[p] * local[j])
        return np.array(out) + translation


def load_smpl(path: Path) -> SmplSkeleton:
    """Read the user's SMPL model, ``.npz`` or the official ``.pkl`` (no code in it is run).

    Raises ``DataError`` for a missing or damaged file or one without the needed arrays.
    """
    path = Path(path)
    try:
        if path.suffix == ".npz":
            content: Any = load_arrays(path, ("v_template", "shapedirs", "J_regressor"))
        else:
            content = load_pickle(path, _INERT)
        if not isinstance(content, dict):
            raise DataError(f"expected a dict, got {type(content).__name__}")
        template = _dense(content["v_template"])
        directions = _dense(content["shapedirs"])[..., :10]
        regressor = _dense(content["J_regressor"])[:NUM_JOINTS]
        if (
            template.ndim != 2
            or directions.shape != (*template.shape, 10)
            or regressor.shape != (NUM_JOINTS, len(template))
        ):
            raise DataError(
                f"shapes do not fit: v_template {template.shape}, shapedirs {directions.shape}, "
                f"J_regressor {regressor.shape}"
            )
    except KeyError as error:
        raise DataError(f"{path}: not an SMPL model: no {error}") from None
    except (ValueError, TypeError, IndexError, OverflowError, DataError) as error:
        raise DataError(f"{path}: not a readable SMPL model ({error})") from None
    return SmplSkeleton(regressor @ template, np.einsum("jv,vck->jck", regressor, directions))


def _dense(value: Any) -> NDArray[np.float64]:
    """An array out of what pickled SMPL files hold: arrays, chumpy arrays, sparse matrices."""
    if isinstance(value, InertObject):
        state = value.state
        if not isinstance(state, dict):
            raise DataError("unknown array type in the pickle")
        if "x" in state:
            return _dense(state["x"])
        if {"data", "indices", "indptr"} <= set(state):
            shape = state.get("_shape", state.get("shape"))
            return _columns_filled(state["data"], state["indices"], state["indptr"], shape)
        raise DataError("unknown array type in the pickle")
    if not isinstance(value, np.ndarray):
        raise DataError(f"expected an array, got {type(value).__name__}")
    return value.astype(np.float64)


def _columns_filled(data: Any, indices: Any, indptr: Any, shape: Any) -> NDArray[np.float64]:
    """A matrix stored by its columns; every index is checked, which SciPy leaves to its caller."""
    rows, columns = (whole_number("shape", size, 1, _MOST_ELEMENTS) for size in shape)
    if rows * columns > _MOST_ELEMENTS:
        raise DataError(f"a matrix of {rows} x {columns}")
    starts = _dense(indptr).astype(np.int64)
    counts = np.diff(starts)
    if starts.shape != (columns + 1,) or (counts < 0).any() or counts.sum() != len(data):
        raise DataError("a sparse matrix whose columns do not fit")
    out = np.zeros((rows, columns))
    row = _dense(indices).astype(np.int64)
    if (row < 0).any() or (row >= rows).any():
        raise DataError("a sparse matrix with an index outside it")
    np.add.at(out, (row, np.repeat(np.arange(columns), counts)), _dense(data))
    return out
