"""Opening the core's tracker with what Python brings: bundle, engine, log, observer."""

import logging
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from same_engines import Bundle, Engine, open_engine
from same_engines.bundle.config import BundleConfig
from same_engines.errors import EngineError, InvalidInputError
from same_engines.field_checks import given_or_default
from same_runtime._core import NativeEngine, Tracker
from same_runtime.calibration.profile import EXAMPLE_RIG, rig_name
from same_runtime.camera import CameraRig
from same_runtime.estimation.native_engine import without_interpreter
from same_runtime.estimation.signatures import check_bundle
from same_runtime.observer import PARTS, Observer
from same_runtime.options import TrackerOptions

_log = logging.getLogger("same")

_NO_RIG: Final = (
    "rig: none was given, so the cameras are the bundle's, an example headset's: poses of other "
    "cameras come out wrong; give SamePoseTracker this headset's rig, or export with --rig"
)

_owned: Final[weakref.WeakSet[Engine]] = weakref.WeakSet()


class OpenedTracker(NamedTuple):
    """The core's tracker and what belongs to it."""

    core: Tracker
    engine: Engine
    """Closed already where the core runs the network without it."""
    options: TrackerOptions
    observer: Observer
    """To be kept: the core does not."""
    rig: CameraRig


def open_core_tracker(
    bundle: str | Path,
    rig: CameraRig | None,
    backend: str | Engine,
    options: TrackerOptions | None,
    observer: Observer | None,
    trusted_keys: Sequence[str] | None,
    keep_hint: Callable[[str], None],
) -> OpenedTracker:
    """Arguments and errors as ``SamePoseTracker``'s; ``keep_hint`` takes each hint that is logged.
    An engine that was given is closed too when the tracker does not open, unless it is another
    tracker's."""
    engine = backend if isinstance(backend, Engine) else None
    if engine is not None:
        _take(engine)
    try:
        options = given_or_default("options", options, TrackerOptions)
        opened = Bundle.open(bundle)
        check_bundle(opened, trusted_keys)
        if rig is None:
            rig = CameraRig.from_dict(opened.manifest.rig)
            if rig_name(rig) == EXAMPLE_RIG:
                _hint(_NO_RIG, keep_hint)
        elif not isinstance(rig, CameraRig):
            raise InvalidInputError(f"rig: expected a CameraRig, got {type(rig).__name__}")
        runs: Engine | NativeEngine
        if isinstance(backend, Engine):
            runs = engine = backend
        else:
            engine = open_engine(opened, backend, options.precision, options.threads)
            runs = without_interpreter(engine, opened)
        observer = given_or_default("observer", observer, Observer)
        core = _tracker(runs, rig, opened.manifest.config, options, observer, keep_hint)
        if runs is not engine:
            engine.close()
    except BaseException:
        if engine is not None:
            engine.close()
        raise
    return OpenedTracker(core, engine, options, observer, rig)


def _take(engine: Engine) -> None:
    # What the network carries from frame to frame is the engine's: two bodies would mix.
    if engine in _owned:
        raise EngineError(
            "engine: it is another tracker's already; open one for each (open_engine), or name a "
            "backend"
        )
    _owned.add(engine)


def _tracker(
    engine: Engine | NativeEngine,
    rig: CameraRig,
    config: BundleConfig,
    options: TrackerOptions,
    observer: Observer,
    keep_hint: Callable[[str], None],
) -> Tracker:
    # It may refer to its tracker, and Python would not see a reference that the core holds.
    held = weakref.ref(observer)

    def estimated(timestamp_ns: int, latency_ns: int, parts_ns: tuple[int, ...]) -> None:
        if (watcher := held()) is not None:
            watcher.parts_done(dict(zip(PARTS, parts_ns, strict=True)))
            watcher.estimated(timestamp_ns, latency_ns)

    def given_out(ready_ns: int, late_ns: int) -> None:
        if (watcher := held()) is not None:
            watcher.given_out(ready_ns, late_ns)

    kind = type(observer)  # a method that nobody has overridden is not worth the interpreter's lock
    watches = (kind.estimated, kind.parts_done) != (Observer.estimated, Observer.parts_done)
    outputs = kind.given_out is not Observer.given_out
    return Tracker(
        engine,
        rig.native(),
        config.image_mean,
        config.image_std,
        config.depth_mode == "z",
        config.column_zoom,
        config.row_zoom,
        config.use_leg_straps,
        options,
        _warn,
        lambda text: _hint(text, keep_hint),
        estimated if watches else None,
        given_out if outputs else None,
    )


def _hint(text: str, keep: Callable[[str], None]) -> None:
    keep(text)
    _warn(text)


def _warn(text: str) -> None:
    _log.warning("%s", text)
