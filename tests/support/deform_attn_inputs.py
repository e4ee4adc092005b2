"""Random inputs of the operator."""

import numpy as np


def inputs(
    seed: int, V: int, D: int, Hf: int, Wf: int, J: int, M: int, K: int, H: int, N: int
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    locations = rng.uniform((-2, -2), (Wf + 1, Hf + 1), (V, J, M, K, 2))
    on_grid = rng.random((V, J, M, K, 1)) < 0.3  # integers: the edges between taps
    arrays = {
        "features": rng.normal(size=(V, D, Hf, Wf)),
        "rays": rng.normal(size=(V, 3, Hf, Wf)),
        "origins": rng.normal(size=(V, 3)),
        "locations": np.where(on_grid, np.round(locations), locations),
        "weights": rng.dirichlet(np.ones(K), (V, J, M)),
        "depth": rng.uniform(0.1, 2, (V, J)),
        "w1": rng.normal(size=(H, 3 * N)),
        "b1": rng.normal(size=H),
    }
    return {name: array.astype(np.float32) for name, array in arrays.items()}
