"""Import a BVH or GLB file of same-track into Blender, at its own frame rate and length.

In Blender's own Python, or any that has ``bpy`` (pip install bpy):

    blender --python examples/blender_import.py -- same-track-out/poses.glb
    python examples/blender_import.py same-track-out/poses.bvh --save body.blend

``--joints FILE.json`` writes where Blender has every joint in every frame, metres, in Blender's
axes (x right of who looks at the face, y to the back, z up), to compare.
"""

import argparse
import json
import sys
from pathlib import Path

import bpy

CENTIMETRE = 0.01


def import_motion(path: Path) -> "bpy.types.Object":
    """Put the armature of ``path`` into the scene and fit the scene to its animation."""
    scene = bpy.context.scene
    before = set(bpy.data.objects)
    if path.suffix == ".bvh":
        bpy.ops.import_anim.bvh(
            filepath=str(path),
            global_scale=CENTIMETRE,
            update_scene_fps=True,
            update_scene_duration=True,
        )
    else:
        scene.render.fps, scene.render.fps_base = 120, 1.0  # glTF's keys have times, no frames
        bpy.ops.import_scene.gltf(filepath=str(path))
    armature = next(o for o in set(bpy.data.objects) - before if o.type == "ARMATURE")
    first, last = armature.animation_data.action.frame_range
    scene.frame_start, scene.frame_end = int(first), round(last)
    return armature


def joints_by_frame(armature: "bpy.types.Object") -> dict[str, object]:
    """Seconds since the first frame, and joint -> its place (3) in each frame, metres."""
    scene = bpy.context.scene
    fps = scene.render.fps / scene.render.fps_base
    seconds, places = [], []
    for frame in range(scene.frame_start, scene.frame_end + 1):
        scene.frame_set(frame)
        seconds.append((frame - scene.frame_start) / fps)
        places.append(
            {bone.name: list(armature.matrix_world @ bone.head) for bone in armature.pose.bones}
        )
    return {"seconds": seconds, "joints": places}


def main() -> None:
    """Import the file named on the command line."""
    given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    parser = argparse.ArgumentParser(description="Import a BVH or GLB file of same-track.")
    parser.add_argument("motion", type=Path)
    parser.add_argument("--save", type=Path, help="write a .blend file")
    parser.add_argument("--joints", type=Path, help="write where every joint is, as JSON")
    command = parser.parse_args(given)
    if command.motion.suffix not in (".bvh", ".glb") or not command.motion.is_file():
        parser.error(f"{command.motion}: expected a .bvh or .glb file")
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    armature = import_motion(command.motion)
    if command.joints:
        command.joints.write_text(json.dumps(joints_by_frame(armature)))
    if command.save:
        bpy.ops.wm.save_as_mainfile(filepath=str(command.save.resolve()))
    scene = bpy.context.scene
    print(f"{armature.name}: {len(armature.pose.bones)} bones, {scene.frame_end} frames")


if __name__ == "__main__":
    main()
