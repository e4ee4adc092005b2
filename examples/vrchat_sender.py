"""Full-body tracking in VRChat: a started tracker, its poses to VRChat's OSC trackers.

Run ``python examples/vrchat_sender.py`` (the extra ``xr``) while VRChat runs with OSC enabled: it
is found on the network. A recording stands for the devices here; your driver takes its place
(``driver_template.py``).
"""

from dataclasses import dataclass
from pathlib import Path

from same_engines.errors import InvalidInputError
from same_runtime import Recording, SamePoseTracker, TrackerOptions, UserProfile
from same_runtime.cli.command import run_command
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.outputs import Background, open_output
from same_runtime.recording.live_player import LivePlayer


@dataclass(frozen=True)
class SenderCommand:
    """Send the body in a recording to VRChat, live."""

    to: str = "auto"
    """HOST:PORT of VRChat; auto searches the network."""
    trackers: str = "hip,feet"
    """What to send, with commas between: hip, chest, feet, knees, elbows."""
    avatar_height_m: float | None = None
    """The avatar's height, to scale the trackers by; default: the user's."""
    user_height_m: float | None = None
    """Your height; default: the profile's."""
    profile: Path | None = None
    """User profile that same-track or an application saved."""
    recording: Path | None = None
    """MCAP recording that stands for your devices; default: the one that ships with the package."""
    bundle: Path | None = None
    """Bundle that same-export wrote; default: the one that ships with the package."""


def send(command: SenderCommand) -> None:
    """Run the command."""
    recording = Recording(command.recording or demo_recording())
    profile = None if command.profile is None else UserProfile.load(command.profile)
    address = f"vrchat://{command.to}?trackers={command.trackers}&scale={_scale(command, profile)}"
    options = TrackerOptions(plant_feet=True, profile=profile)
    bundle = command.bundle or demo_bundle()
    with (
        open_output(address) as vrchat,
        Background(vrchat) as output,
        SamePoseTracker(bundle, recording.rig, options=options) as tracker,
    ):
        tracker.on_pose(output.send)
        player = LivePlayer(recording.samples(), recording.start_ns)
        tracker.start(clock=player.now_ns)
        for _ in player.play(tracker.ingest):
            pass
        tracker.stop()
    print(vrchat.summary())


def _scale(command: SenderCommand, profile: UserProfile | None) -> float:
    if command.avatar_height_m is None:
        return 1.0
    user_height_m = command.user_height_m or (profile.height_m if profile else None)
    if user_height_m is None:
        raise InvalidInputError("--avatar-height-m: give --user-height-m or a --profile too")
    return command.avatar_height_m / user_height_m


if __name__ == "__main__":
    raise SystemExit(run_command("vrchat_sender", SenderCommand, send))
