import json
from pathlib import Path

import numpy as np
import pytest

from same_engines.errors import DataError
from same_model.synth.motion.capture.joint_names import find_joints, read_joint_map
from same_model.synth.motion.capture.skeleton import SkeletonClip

# Pelvis, spine, neck, head; then collar, shoulder, elbow, wrist, hip, knee, ankle, toe of the left.
SKELETONS = {
    "mixamo": (
        "mixamorig:Hips mixamorig:Spine mixamorig:Spine1 mixamorig:Spine2 mixamorig:Neck "
        "mixamorig:Head",
        "mixamorig:LeftShoulder mixamorig:LeftArm mixamorig:LeftForeArm mixamorig:LeftHand "
        "mixamorig:LeftUpLeg mixamorig:LeftLeg mixamorig:LeftFoot mixamorig:LeftToeBase",
    ),
    "mixamo without separators": (
        "mixamorigHips mixamorigSpine mixamorigSpine1 mixamorigSpine2 mixamorigNeck mixamorigHead",
        "mixamorigLeftShoulder mixamorigLeftArm mixamorigLeftForeArm mixamorigLeftHand "
        "mixamorigLeftUpLeg mixamorigLeftLeg mixamorigLeftFoot mixamorigLeftToeBase",
    ),
    "daz genesis 8": (
        "hip abdomenLower abdomenUpper chestLower chestUpper neckLower head",
        "lCollar lShldrBend lForearmBend lHand lThighBend lShin lFoot lToe",
    ),
    "lafan": (
        "Hips Spine Spine1 Spine2 Neck Head",
        "LeftShoulder LeftArm LeftForeArm LeftHand LeftUpLeg LeftLeg LeftFoot LeftToe",
    ),
    "100style": (
        "Hips Chest Chest2 Chest3 Chest4 Neck Head",
        "LeftCollar LeftShoulder LeftElbow LeftWrist LeftHip LeftKnee LeftAnkle LeftToe",
    ),
    "xsens": (
        "Pelvis L5 L3 T12 T8 Neck Head",
        "LeftShoulder LeftUpperArm LeftForeArm LeftHand LeftUpperLeg LeftLowerLeg LeftFoot LeftToe",
    ),
    "ue": (
        "pelvis spine_01 spine_02 spine_03 neck_01 head",
        "clavicle_l upperarm_l lowerarm_l hand_l thigh_l calf_l foot_l ball_l",
    ),
    "rigify": (
        "DEF-spine DEF-spine.001 DEF-spine.002 DEF-spine.003 DEF-spine.004 DEF-spine.006",
        "DEF-shoulder.L DEF-upper_arm.L DEF-forearm.L DEF-hand.L DEF-thigh.L DEF-shin.L DEF-foot.L "
        "DEF-toe.L",
    ),
    "biped": (
        "Bip01 Bip01_Spine Bip01_Spine1 Bip01_Neck Bip01_Head",
        "Bip01_L_Clavicle Bip01_L_UpperArm Bip01_L_Forearm Bip01_L_Hand Bip01_L_Thigh Bip01_L_Calf "
        "Bip01_L_Foot Bip01_L_Toe0",
    ),
    "smpl": (
        "Pelvis Spine1 Spine2 Spine3 Neck Head",
        "L_Collar L_Shoulder L_Elbow L_Wrist L_Hip L_Knee L_Ankle L_Foot",
    ),
    "rokoko": (
        "Hips Spine1 Spine2 Spine3 Spine4 Neck Head",
        "LeftShoulder LeftArm LeftForeArm LeftHand LeftThigh LeftShin LeftFoot LeftToe",
    ),
}
PARTS = ("collar", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "foot")


def _other(name: str) -> str:
    for here, there in (("Left", "Right"), ("_L_", "_R_"), ("L_", "R_")):
        if here in name:
            return name.replace(here, there)
    if name[0] == "l" and name[1].isupper():
        return "r" + name[1:]
    return name[:-1] + {"l": "r", "L": "R"}[name[-1]]


def skeleton(middle: str, left: str) -> SkeletonClip:
    """A clip of one frame with these joints, in the hierarchy that all of them share."""
    trunk, limbs = middle.split(), left.split()
    names, parents = list(trunk), [*range(-1, len(trunk) - 1)]
    chest = len(trunk) - 3
    for side in (limbs, [_other(name) for name in limbs]):
        for start, chain in ((chest, side[:4]), (0, side[4:])):
            parents += [start, *range(len(names), len(names) + 3)]
            names += chain
    count = len(names)
    return SkeletonClip(
        tuple(names),
        tuple(parents),
        np.zeros((count, 3)),
        np.zeros((1, 3)),
        np.tile([0.0, 0, 0, 1], (1, count, 1)),
        30.0,
    )


@pytest.mark.parametrize("which", sorted(SKELETONS))
def test_every_known_convention_is_found(which: str) -> None:
    middle, left = SKELETONS[which]
    clip = skeleton(middle, left)
    joints = find_joints(clip)
    found = {ours: clip.names[j] for ours, j in joints.index.items()}
    for part, name in zip(PARTS, left.split(), strict=True):
        assert found[f"left_{part}"] == name and found[f"right_{part}"] == _other(name)
    trunk = middle.split()
    assert (found["pelvis"], found["neck"], found["head"]) == (trunk[0], trunk[-2], trunk[-1])
    assert [clip.names[j] for j in joints.spine] == trunk[1:-2]


def test_other_names_need_a_map_and_only_those_joints(tmp_path: Path) -> None:
    middle, left = SKELETONS["lafan"]
    clip = skeleton(middle.replace("Head", "Skull"), left.replace("LeftFoot", "LeftPaw"))
    with pytest.raises(DataError, match="head, left_ankle, right_ankle"):
        find_joints(clip)
    path = tmp_path / "map.json"
    mapped = {"head": "Skull", "left_ankle": "LeftPaw", "right_ankle": "RightPaw"}
    path.write_text("\ufeff" + json.dumps(mapped))
    joints = find_joints(clip, read_joint_map(path))
    assert {ours: clip.names[joints.index[ours]] for ours in mapped} == mapped
    with pytest.raises(DataError, match="Tail"):
        find_joints(clip, {**mapped, "head": "Tail"})
    with pytest.raises(DataError, match="not below"):
        find_joints(clip, {**mapped, "left_ankle": "RightPaw"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a joint map"),
        ("[1]", "JSON object"),
        ('{"tail": "x"}', "tail"),
        ('{"head": 3}', "object"),
    ],
)
def test_a_wrong_map_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "map.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_joint_map(path)
    with pytest.raises(DataError, match="absent"):
        read_joint_map(tmp_path / "absent.json")
