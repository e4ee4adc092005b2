"""Carries out a whole run; what is finished stays finished whenever it is stopped."""

import contextlib
import json
import logging
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from same_engines.atomic_files import replace_file, told_disk
from same_engines.errors import DataError, InvalidInputError, SameError
from same_engines.json_values import parse_json
from same_engines.processes import python_command
from same_model.checkpoint import load_checkpoint, save_checkpoint
from same_model.synth.motion.splits import AMC_FPS
from same_model.synth.synth import run_jobs, write_summary
from same_model.training.config import AugmentConfig
from same_model.training.processes import Processes, join_processes, leave_processes
from same_model.training.run import train
from same_model.training.run_state import LATER_AUGMENT_FIELDS, LATER_LOSS_FIELDS
from same_model.training.whole_run.config import WholeRunConfig
from same_model.training.whole_run.contents import CONTENTS, check_contents, plan_contents
from same_model.training.whole_run.plan import (
    INIT,
    NEEDED_BY,
    TOOLS,
    WholeRunPlan,
    make_plan,
    was_made,
    without_held_out,
)
from same_model.training.whole_run.progress import RunProgress, read_progress

_LOG = logging.getLogger("same")
_TELL_EVERY_S = 60.0
_START_TOOL = (
    "from importlib.metadata import entry_points; name = sys.argv[1]; "
    "sys.argv = sys.argv[1:]; (entry,) = entry_points(group='console_scripts', name=name); "
    "sys.exit(entry.load()())"
)
_BEFORE_IT_WAS_A_SETTING = {
    "column_zoom": 1.0,
    "row_zoom": 1.0,
    "amc_fps": AMC_FPS,
    **{f"loss.{name}": value for name, value in LATER_LOSS_FIELDS.items()},
    **{f"augment.{name}": value for name, value in asdict(AugmentConfig()).items()},
    **{f"augment.{name}": value for name, value in LATER_AUGMENT_FIELDS.items()},
}


class OutOfTime(Exception):
    """The minutes that were given are over; everything is saved."""


def train_all(config: WholeRunConfig) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    begun = time.monotonic()
    plan = make_plan(config)
    contents = plan_contents(config, plan)
    check_contents(config.out, _check_settings(config), contents)
    processes = join_processes(config.device, config.threads)
    try:
        if processes.is_first:
            for warning in plan.warnings:
                _LOG.warning("%s", warning)
            _write_settings(config, contents)
        processes.wait()
        run = WholeRun(config, plan, processes, begun)
        try:
            run.train()
        except OutOfTime:
            run.stop()
            return
    finally:
        leave_processes()
    if processes.is_first:
        try:
            run.ship()
        except OutOfTime:
            run.stop()


def _settings_path(config: WholeRunConfig) -> Path:
    return config.out / "whole_run.json"


def _check_settings(config: WholeRunConfig) -> object:
    """What the folder says of the ``plan_contents`` of the run that it holds. Raises
    ``InvalidInputError`` when that is a run with other settings."""
    path = _settings_path(config)
    if not path.exists():
        return None
    try:
        before = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: damaged ({error})") from None
    now = config.shaping()
    before = {**_BEFORE_IT_WAS_A_SETTING, **before} if isinstance(before, dict) else {}
    contents = before.pop(CONTENTS, None)
    if before != now:
        changed = sorted(name for name in {*now, *before} if before.get(name) != now.get(name))
        later = [name for name in changed if name not in before]
        if later and later == changed:
            finished = read_progress(config.out / "progress.json").get("finished", [])
            if "temporal" in finished:
                return contents  # was trained before they were settings
            raise InvalidInputError(
                f"--out {config.out}: holds a run from before {later[0]} was a setting; give "
                "another --out"
            )
        raise InvalidInputError(
            f"--out {config.out}: holds a run with another {', '.join(changed[:3])}; give the same "
            "settings again, or another --out"
        )
    return contents


def _write_settings(config: WholeRunConfig, contents: Mapping[str, str]) -> None:
    settings = {**config.shaping(), CONTENTS: contents}
    with told_disk(DataError, f"--out {config.out}"):
        config.out.mkdir(parents=True, exist_ok=True)
        replace_file(_settings_path(config), json.dumps(settings, indent=1).encode())
        if config.init is not None and not (config.out / INIT).exists():
            save_checkpoint(config.out / INIT, load_checkpoint(config.init))


def _is_unread(step: str, config: WholeRunConfig, finished: list[str]) -> bool:
    """Whether ``step`` makes recordings that none of the wanted steps reads any more."""
    readers = [reader for reader in NEEDED_BY.get(step, ()) if reader in config.steps]
    return bool(readers) and all(reader in finished for reader in readers)


class WholeRun:
    """One whole run in its folder. ``begun``: when its minutes began, by ``time.monotonic``."""

    def __init__(
        self, config: WholeRunConfig, plan: WholeRunPlan, processes: Processes, begun: float
    ) -> None:
        self._config, self._plan, self._processes = config, plan, processes
        self._end = None if config.minutes is None else begun + 60.0 * config.minutes
        self._progress_path = config.out / "progress.json"
        finished = read_progress(self._progress_path).get("finished", [])
        if "temporal" in finished and "end_to_end" not in finished:
            finished.append("end_to_end")  # of a run from before there was this step
        steps = tuple(step for step in config.steps if not _is_unread(step, config, finished))
        self._progress = RunProgress(self._progress_path, plan.units(steps))
        self._progress.finished = finished
        self._lock = threading.Lock()
        self._told = 0.0
        if processes.is_first:
            self._progress.save()
        processes.wait()  # no other may read of an earlier run's stop

    def train(self) -> None:
        """Make the data and train every stage. Raises ``OutOfTime``."""
        with self._recordings("motion"):
            pass
        # The inertial stage needs no images: the other cores render them meanwhile.
        with self._recordings("images"):
            self._train("inertial")
        self._hold_out_what_was_made()
        with self._recordings("fresh_images"):
            self._train("visual")
        with self._recordings("varied_images"):
            self._train("fusion")
        with self._recordings("headset_rate"):
            self._train("end_to_end")
        self._train("temporal")

    def _hold_out_what_was_made(self) -> None:
        """Go on without validation where none of its recordings could be made."""
        held_out = self._plan.held_out
        if held_out is None or "images" not in self._progress.finished or was_made(held_out):
            return
        is_needed = any(map(self._is_due, NEEDED_BY["images"]))
        if is_needed and self._processes.is_first:
            _LOG.warning("%s: no recording in it, so nothing is validated on", held_out)
        self._plan = without_held_out(self._config, self._plan)

    def ship(self) -> None:
        """Export and evaluate the trained network. Raises ``OutOfTime``."""
        config, result = self._config, self._config.out / "model.safetensors"
        if "temporal" in self._progress.finished and not result.exists():
            shutil.copyfile(config.out / "temporal" / "model.safetensors", result)
        with self._recordings("test"):
            pass
        bundle = config.out / f"{config.preset}.same"
        self._command("export", "--ckpt", result, "--out", bundle)
        tests, held_out = (
            folder if was_made(folder) else None
            for folder in (self._plan.tests, self._plan.held_out)
        )
        for step, data, given in (
            ("evaluate", tests or held_out, (result,)),
            ("budget", held_out or tests, ("budget", result)),
        ):
            if not self._is_due(step):
                continue
            if data is None:
                _LOG.info("%s: left out, no recording is held out", step)
                continue
            folder = config.out / ("evaluation" if step == "evaluate" else step)
            self._command(step, *given, "--data", data, "--out", folder)
        _LOG.info("%s: done", config.out)

    def stop(self) -> None:
        """Tell the user, and the other processes, that the time is over."""
        if self._processes.is_first:
            self._progress.stopped = True
            self._progress.save()
            _LOG.info(
                "stopped after %g minutes: %s; the same command goes on",
                self._config.minutes,
                self._progress.text(),
            )

    def _is_due(self, step: str) -> bool:
        return step in self._config.steps and step not in self._progress.finished

    def _is_over(self) -> bool:
        return self._end is not None and time.monotonic() > self._end

    def _reach(self, step: str, units: int) -> None:
        with self._lock:
            self._progress.reach(step, units)
            now = time.monotonic()
            if now - self._told > _TELL_EVERY_S:
                self._told = now
                self._progress.save()
                _LOG.info("all of it: %s", self._progress.text())

    def _finish(self, step: str) -> None:
        with self._lock:
            self._progress.finish(step)
            _LOG.info("%s is done; all of it: %s", step, self._progress.text())

    @contextlib.contextmanager
    def _recordings(self, step: str) -> Iterator[None]:
        """Make the recordings of ``step`` beside what the block does; all are there after it."""
        unread = _is_unread(step, self._config, self._progress.finished)
        if unread or not self._is_due(step):
            yield
            return
        if not self._processes.is_first:
            yield
            self._wait_for(step)
            return
        failures: list[BaseException] = []
        leave = threading.Event()

        def work() -> None:
            try:
                self._render(step, leave)
            except BaseException as error:  # raised again by the thread that waits
                failures.append(error)

        thread = threading.Thread(target=work, name=f"same-{step}")
        thread.start()
        try:
            yield
        except BaseException:
            leave.set()
            raise
        finally:
            try:
                thread.join()
            except BaseException:
                leave.set()
                thread.join()
                raise
        if failures:
            raise failures[0]
        if leave.is_set():
            raise OutOfTime

    def _render(self, step: str, leave: threading.Event) -> None:
        settings, jobs = self._plan.data[step]
        out = self._config.out / "data" / step
        reports, usable = [], 0
        results = run_jobs(settings, jobs, out, min(self._config.workers, max(1, len(jobs))))
        with contextlib.closing(results):  # type: ignore[type-var]
            for result in results:
                reports.append(result.report)
                usable += result.made + result.found
                if result.report.fault:
                    _LOG.warning("left out: %s", result.report.fault)
                self._reach(step, len(reports))
                if leave.is_set() or (self._is_over() and len(reports) < len(jobs)):
                    leave.set()
                    return
        if reports and usable == 0:
            if step != "test":
                raise DataError(f"{step}: no clip could be used; the lines above say why")
            _LOG.warning("test: no clip could be used, so no protocol is evaluated")
        if jobs and out.is_dir():
            write_summary(out, settings, self._plan.split, reports)
        self._finish(step)

    def _wait_for(self, step: str) -> None:
        """Wait for the first process; not at a barrier, which would time out."""
        while True:
            seen = read_progress(self._progress_path)
            if step in seen.get("finished", []):
                self._progress.finished.append(step)
                return
            if seen.get("stopped"):
                raise OutOfTime
            time.sleep(0.5)

    def _train(self, step: str) -> None:
        if not self._is_due(step):
            return
        stopped = False

        def watch(done: int, _steps: int) -> bool:
            nonlocal stopped
            if self._processes.is_first:
                self._reach(step, done)
                stopped = self._is_over()
            return stopped

        if self._processes.any(self._processes.is_first and self._is_over()):
            raise OutOfTime
        train(self._plan.stages[step], watch=watch)
        if self._processes.any(stopped):
            raise OutOfTime
        if self._processes.is_first:
            self._finish(step)
        else:
            self._progress.finished.append(step)

    def _command(self, step: str, *arguments: object) -> None:
        """Run the command of ``step`` in a process of its own, its output in a log."""
        if not self._is_due(step):
            return
        if self._is_over():
            raise OutOfTime
        command = [TOOLS[step], *map(str, arguments)]
        log = self._config.out / "logs" / f"{step}.txt"
        log.parent.mkdir(exist_ok=True)
        self._reach(step, 0)
        _LOG.info("%s", " ".join(command))
        with log.open("w") as file:
            code = subprocess.run(
                python_command(_START_TOOL, *command),
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        if code:
            lines = log.read_text().strip().splitlines() or ["no output"]
            raise SameError(f"{command[0]} ended with {code}: {lines[-1]} ({log})")
        self._reach(step, 1)
        self._finish(step)
