"""Random inputs of an engine."""

import numpy as np


def fill_inputs(engine, seed: int) -> None:
    random = np.random.default_rng(seed)
    for name in ("images", "imu_features", "rays", "origins", "T_anchor_cam", "time_offset_s"):
        array = engine.host_input(name)
        array[:] = random.normal(size=array.shape)
    tokens = engine.host_input("imu_features")
    tokens[0, :3] /= np.linalg.norm(tokens[0, :3])
    tokens[:, 15] = 1
    engine.host_input("view_valid")[:] = 1
    engine.host_input("window_valid")[:] = 1
