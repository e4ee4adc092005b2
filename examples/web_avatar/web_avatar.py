"""An avatar in a web page: a GLB or VRM 1.0 file that moves as the tracked body does.

Run ``python examples/web_avatar/web_avatar.py`` and open the page that it names; with ``--avatar
mine.glb`` your own. Without, the avatar is the tracker's own skeleton as a GLB file. The page turns
each bone by the joint's rotation in the world, so the avatar may have other bones' axes and
lengths; bones are found by VRM's names or by those of ``JOINT_NAMES``.
"""

import contextlib
import json
import queue
import tempfile
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from same_engines.errors import InvalidInputError
from same_runtime import JOINT_NAMES, Pose, PoseStatus, Recording, SamePoseTracker, TrackerOptions
from same_runtime.cli.command import run_command
from same_runtime.conventions import JOINT_PARENTS
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.outputs import GlbFile
from same_runtime.recording.live_player import LivePlayer
from same_runtime.skeleton.rest_pose import REST_OFFSETS_M

_FOLDER = Path(__file__).parent
_HALF_TURN = np.array((-1.0, 1.0, -1.0))
"""About y: avatars face +z, our T-pose -z."""


def avatar_pose(pose: Pose) -> dict[str, Any] | None:
    """What the page needs of a pose, in glTF's axes; None while there is no body."""
    skeleton = pose.skeleton
    if skeleton is None or pose.status is PoseStatus.INVALID:
        return None
    turns = skeleton.rotations_world * (*_HALF_TURN, 1.0)
    return {
        "turns": {name: q.round(5).tolist() for name, q in zip(JOINT_NAMES, turns, strict=True)},
        "hips": (skeleton.root[0] * _HALF_TURN).round(4).tolist(),
        "leg_m": round(float(skeleton.bone_lengths_m[[4, 7]].sum()), 4),
    }


class AvatarServer:
    """Serves the page, the avatar and the poses on this machine."""

    def __init__(self, avatar: bytes, port: int) -> None:
        three = files("same_runtime.outputs.web").joinpath("three.min.js").read_bytes()
        pages = {
            "/": ("text/html", (_FOLDER / "index.html").read_bytes()),
            "/avatar.js": ("text/javascript", (_FOLDER / "avatar.js").read_bytes()),
            "/three.min.js": ("text/javascript", three),
            "/avatar.glb": ("model/gltf-binary", avatar),
        }
        listeners: list[queue.Queue[dict[str, Any]]] = []
        self._listeners = listeners

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/poses":
                    self.stream()
                elif self.path in pages:
                    kind, content = pages[self.path]
                    self.answer(kind, content)
                else:
                    self.send_error(404)

            def answer(self, kind: str, content: bytes | None) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.end_headers()
                if content is not None:
                    self.wfile.write(content)

            def stream(self) -> None:
                poses: queue.Queue[dict[str, Any]] = queue.Queue(1)
                listeners.append(poses)
                try:
                    self.answer("text/event-stream", None)
                    while True:
                        self.wfile.write(f"data: {json.dumps(poses.get())}\n\n".encode())
                except OSError:
                    listeners.remove(poses)  # the page was closed

            def log_message(self, *_: object) -> None:
                pass

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except OSError as error:
            raise InvalidInputError(f"--port {port}: {error.strerror}; choose another") from None
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def send(self, pose: Pose) -> None:
        """Tell every page; a slow one misses poses. For ``tracker.on_pose``."""
        told = avatar_pose(pose)
        for poses in list(self._listeners) if told is not None else []:
            with contextlib.suppress(queue.Empty):
                poses.get_nowait()
            poses.put_nowait(told)  # type: ignore[arg-type]

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


@dataclass(frozen=True)
class AvatarCommand:
    """Show an avatar that moves as the body in a recording, live."""

    recording: Path | None = None
    """MCAP recording that stands for your devices; default: the one that ships with the package."""
    bundle: Path | None = None
    """Bundle that same-export wrote; default: the one that ships with the package."""
    avatar: Path | None = None
    """GLB or VRM 1.0 file; default: the tracker's skeleton."""
    port: int = 8351
    """Port to serve on; 0 takes a free one."""
    times: int = 100
    """How often to play the recording."""


def show(command: AvatarCommand) -> None:
    """Run the command."""
    recording = Recording(command.recording or demo_recording())
    server = AvatarServer(_avatar(command.avatar), command.port)
    print(f"the avatar is at {server.url}", flush=True)
    options = TrackerOptions(plant_feet=True)
    bundle = command.bundle or demo_bundle()
    try:
        for _ in range(command.times):
            with SamePoseTracker(bundle, recording.rig, options=options) as tracker:
                player = LivePlayer(recording.samples(), recording.start_ns)
                tracker.on_pose(server.send)
                tracker.start(clock=player.now_ns)
                for _ in player.play(tracker.ingest):
                    pass
    finally:
        server.close()


def _avatar(path: Path | None) -> bytes:
    if path is not None:
        try:
            return path.read_bytes()
        except OSError as error:
            raise InvalidInputError(f"--avatar {path}: {error.strerror}") from None
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "avatar.glb"
        with GlbFile(made) as file:
            file.send(t_pose())
        return made.read_bytes()


def t_pose() -> Pose:
    """The mean body in the pose that rotations are measured from."""
    joints = np.zeros((len(JOINT_NAMES), 3))
    for joint, parent in enumerate(JOINT_PARENTS):
        joints[joint] = REST_OFFSETS_M[joint] + (joints[parent] if parent >= 0 else (0, 0.95, 0))
    return Pose(1, PoseStatus.VALID, joints_world=joints)


if __name__ == "__main__":
    raise SystemExit(run_command("web_avatar", AvatarCommand, show))
