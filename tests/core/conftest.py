"""Trackers of the C ABI."""

from collections.abc import Callable
from pathlib import Path

import pytest
from native_tracker import NativeTracker

from same_runtime.camera import CameraRig


@pytest.fixture
def native() -> Callable[..., NativeTracker]:
    opened: list[NativeTracker] = []

    def open_native(bundle: Path, rig: CameraRig | None = None, **options: object) -> NativeTracker:
        opened.append(NativeTracker(bundle, rig, **options))
        return opened[-1]

    yield open_native
    for tracker in opened:
        tracker.call("close")


@pytest.fixture
def tiny(native: Callable[..., NativeTracker], tiny_bundle: Path) -> NativeTracker:
    return native(tiny_bundle)
