"""Statistics of EMHI as released, and what is wrong in it."""

from collections import Counter
from pathlib import Path

import numpy as np

from same_engines.errors import DataError
from same_model.data.emhi.annotations import (
    FPS,
    annotation_files,
    find_subjects,
    read_annotation,
    rigid_inverse,
)
from same_model.data.quaternion_order import order_spreads_deg


def inspect_emhi(root: Path, max_frames: int) -> str:
    """Statistics of EMHI as released: what can be checked without the SMPL model."""
    subjects = find_subjects(root)
    share = max(2, max_frames // len(subjects))
    lines = [f"EMHI as released: {len(subjects)} subjects"]
    total = 0
    for subject in subjects:
        files = annotation_files(subject)
        total += len(files)
        ids = np.array([int(p.stem) for p in files])
        defects: Counter[str] = Counter()
        gaps = int((np.diff(ids) > 1).sum())
        if gaps:
            defects["gap in the frame ids"] = gaps
        frames = []
        for i in np.linspace(0, len(files) - 1, min(share, len(files))).astype(int):
            try:
                frames.append(read_annotation(files[i], defects))
            except DataError as error:
                defects[f"unusable frame ({error})"] += 1
        if len(frames) < 2:
            lines.append(f"{subject.name}: {len(files)} frames, none usable")
            continue
        annotated = np.mean([f.annotated for f in frames])
        quaternions = np.array([f.orientations_xyzw[0] for f in frames])
        ok = (quaternions != 0).any(-1)
        T = np.array([f.T_world_cam[0] for f in frames])
        declared, other = order_spreads_deg(quaternions[ok], T[ok])
        order = "wxyz as expected" if declared < other else "NOT wxyz"
        mounts = [rigid_inverse(f.T_world_cam[0])[:3] @ [*f.positions[0], 1] for f in frames]
        lines.append(
            f"{subject.name}: {len(files)} frames; 2D joints annotated {annotated:.1%} (EMHI 70%); "
            f"quaternions {order} ({declared:.2f} against {other:.1f} deg); headset in cam0 "
            f"{np.round(np.median(mounts, axis=0), 3).tolist()} m"
        )
        lines += [f"  DEFECT {n} x {what}" for what, n in sorted(defects.items())]
    lines.insert(1, f"frames {total}, {total / FPS / 3600:.3f} h")
    return "\n".join(lines)
