"""Renders on the machines of a Ray cluster; motion is prepared and recordings are kept here.

The machines need no common folder: each gets one stretch of motion and gives back one recording.
"""

import io
import logging
import os
import socket
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from same_engines.atomic_files import remove_partial_files, whole_folder
from same_engines.errors import DataError, InvalidInputError, SameError, install_hint
from same_model.synth.config import SynthConfig
from same_model.synth.made import JobResult, MadeOf, finish_recording, open_job
from same_model.synth.motion.clip import Motion
from same_model.synth.plan import Job
from same_model.synth.synth import make_sequence

_ANSWERS_WITHIN_S = 5.0
_WAITING_PER_CORE = 2  # enough that no core idles, few enough that motion does not pile up


def _render(config: SynthConfig, job: Job, motion: Motion, made_of: MadeOf) -> tuple[str, bytes]:
    """The settings' digest as this machine's code has it, and the recording's files as a tar."""
    with tempfile.TemporaryDirectory() as root:
        path = Path(root) / motion.name
        make_sequence(config, job, motion, path, made_of)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for file in sorted(path.iterdir()):
                tar.add(file, file.name)
        return config.digest, packed.getvalue()


def _keep(packed: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            whole_folder(path, replace=False) as partial,
            tarfile.open(fileobj=io.BytesIO(packed)) as tar,
        ):
            tar.extractall(partial, filter="data")
    except FileExistsError:
        raise DataError(f"{path}: another run made it meanwhile; start this one again") from None


@dataclass
class _Open:
    """A job some of whose recordings are being made."""

    result: JobResult
    missing: int


def connect(address: str) -> Any:
    """The module ``ray``, connected to the cluster at ``address``: ``HOST:PORT``, ``auto`` for the
    one that this machine is part of, or ``local`` for this machine's cores.

    Raises ``InvalidInputError`` without Ray and ``DataError`` when no cluster answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray reports home
    try:
        import ray
    except ImportError:
        raise InvalidInputError(
            f"--cluster needs Ray, which is not installed; {install_hint('cluster')}"
        ) from None
    try:
        host, _, port = address.rpartition(":")
        if host and port.isdecimal():  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), _ANSWERS_WITHIN_S).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(
            f"--cluster {address}: no Ray cluster answers ({reason}); start one by `ray start "
            "--head` and give its HOST:PORT, or `local`"
        ) from None
    return ray


def run_jobs_on_cluster(
    config: SynthConfig, jobs: list[Job], out: Path, address: str, mcap: bool = False
) -> Iterator[JobResult]:
    """``run_jobs`` on the machines of the Ray cluster at ``address``, which have this package.

    The recordings are byte by byte those that one machine makes. Stopping early is safe: complete
    ones stay, the others are made by the next run. Raises what ``connect`` does, ``DataError`` when
    a machine's package is another version, and the first error of a machine.
    """
    ray = connect(address)
    try:
        remove_partial_files(out, recursive=True)
        yield from _run(ray, config, jobs, out, mcap)
    finally:
        ray.shutdown()


def _run(
    ray: Any, config: SynthConfig, jobs: list[Job], out: Path, mcap: bool
) -> Iterator[JobResult]:
    render = ray.remote(max_retries=3)(_render)
    most = max(1, int(_WAITING_PER_CORE * ray.cluster_resources().get("CPU", 1)))
    running: dict[Any, tuple[_Open, Job, Path]] = {}

    def collect(least: int) -> Iterator[JobResult]:
        while len(running) > least:
            (done,), _ = ray.wait(list(running), num_returns=1)
            job, made_from, path = running.pop(done)
            try:
                digest, packed = ray.get(done)
            except SameError:
                raise
            except ray.exceptions.RayError as error:
                raise DataError(f"--cluster: {path.name}: {str(error).splitlines()[-1]}") from None
            if digest != config.digest:
                raise DataError(
                    "--cluster: a machine has another version of this package than this one; "
                    "install the same on all"
                )
            _keep(packed, path)
            frames = finish_recording(path, mcap)
            job.result = replace(job.result, made=job.result.made + frames)
            job.missing -= 1
            if job.missing == 0:
                yield job.result

    for job in jobs:
        result, missing, made_of = open_job(config, job, out, mcap)
        if not missing:
            yield result
        current = _Open(result, len(missing))
        for motion, path in missing:
            yield from collect(most - 1)
            running[render.remote(config, job, motion, made_of)] = (current, job, path)
    yield from collect(0)
