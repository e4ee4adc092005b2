from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from same_model.synth.config import SynthConfig
from same_model.synth.motion import procedural
from same_model.synth.motion.splice import spliced
from same_model.synth.motion.splits import load_split
from same_model.synth.plan import job_motions, plan_jobs
from same_runtime.conventions import JOINT_NAMES, LOWER_BODY_JOINTS


@pytest.mark.parametrize("seconds", [2.0, 9.0])
def test_legs_and_path_stay_and_the_trunk_keeps_its_angle_to_the_pelvis(
    rng: np.random.Generator, seconds: float
) -> None:
    legs = procedural.make_motion(rng, "squat", 5.0)
    upper = procedural.make_motion(rng, "swing", seconds)
    made = spliced(rng, legs, upper)
    lower = list(LOWER_BODY_JOINTS)
    np.testing.assert_array_equal(made.hips_m, legs.hips_m)
    np.testing.assert_array_equal(made.rotations_xyzw[:, lower], legs.rotations_xyzw[:, lower])
    step = (made.rotations_xyzw[1:] * made.rotations_xyzw[:-1]).sum(-1)
    assert np.rad2deg(2 * np.arccos(np.abs(step).clip(0, 1))).max() * made.fps < 1500

    def bends(motion, joint: str) -> np.ndarray:  # type: ignore[no-untyped-def]
        pelvis = Rotation.from_quat(motion.rotations_xyzw[:, 0])
        other = Rotation.from_quat(motion.rotations_xyzw[:, JOINT_NAMES.index(joint)])
        return np.sort(np.rad2deg((pelvis.inv() * other).magnitude()))

    for joint in ("spine3", "left_elbow", "head"):
        have, gave, had = bends(made, joint), bends(upper, joint), bends(legs, joint)
        assert have[0] > gave[0] - 1 and have[-1] < gave[-1] + 1
        assert abs(have[0] - had[0]) > 0.01


def test_only_training_clips_give_and_take(shared_data: Path) -> None:
    folders = [shared_data / "cmu-mocap", shared_data / "motion"]
    jobs = plan_jobs(SynthConfig(splice=0.5, procedural=1), folders)
    split = {c.clip: c for c in load_split().clips}
    taken = [job for job in jobs if job.upper_body]
    trained = [job for job in jobs if job.split == "train" and job.clip]
    assert 0.35 < len(taken) / len(trained) < 0.65
    for job in taken:
        assert job.split == "train" and job.upper_body.clip != job.clip  # type: ignore[union-attr]
        giver = split[job.upper_body.clip_name]  # type: ignore[union-attr,index]
        assert giver.split == "train"
        assert load_split().sources[giver.source] in job.credit
    assert not [j for j in plan_jobs(SynthConfig(procedural=1), folders) if j.upper_body]
    again = plan_jobs(SynthConfig(splice=0.5, procedural=1), folders)
    assert [j.upper_body for j in again] == [j.upper_body for j in jobs]
    job = min(taken, key=lambda j: j.name)
    config = SynthConfig(splice=0.5)
    own = job_motions(config, replace(job, upper_body=None))[0]
    worn = job_motions(config, job)[0]
    assert len(own) == len(worn)
    np.testing.assert_array_equal(own[0].hips_m, worn[0].hips_m)
    assert (own[0].rotations_xyzw != worn[0].rotations_xyzw).any()
