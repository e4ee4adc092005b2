"""What the machine says about itself, and whether it was quiet while something was measured.

Every fact is None where the system does not tell it; nothing is guessed.
"""

import math
import os
import platform
import sys
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from same_engines.processes import usable_processors

NOISY_CPU_SHARE: Final = 0.05
"""Other processes' share of the usable processors above which a run is called noisy."""
NOISY_STEAL_SHARE: Final = 0.01
"""Share of processor time that a hypervisor withheld above which a run is called noisy."""

_PACKAGES = ("same-runtime", "numpy", "onnxruntime", "torch", "openvino", "opencv-python-headless")
_RAPL = Path("/sys/class/powercap")


def _read(path: str | Path) -> str | None:
    try:
        return Path(path).read_text().strip()
    except (OSError, ValueError):
        return None


def _field(path: str, name: str) -> str | None:
    for line in (_read(path) or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def machine_facts() -> dict[str, Any]:
    """CPU model, processors, clock, governor, memory, system, as JSON values."""
    memory_kib = (_field("/proc/meminfo", "MemTotal") or "").partition(" ")[0]
    mhz = _field("/proc/cpuinfo", "cpu MHz")
    cpufreq = "/sys/devices/system/cpu/cpu0/cpufreq"
    return {
        "cpu_model": _field("/proc/cpuinfo", "model name") or platform.processor() or None,
        "processors": os.cpu_count(),
        "usable_processors": usable_processors(),
        "cpu_mhz": float(mhz) if mhz else None,
        "cpu_max_khz": _read(f"{cpufreq}/cpuinfo_max_freq"),
        "governor": _read(f"{cpufreq}/scaling_governor"),
        "hypervisor": "hypervisor" in (_field("/proc/cpuinfo", "flags") or "").split(),
        "memory_gib": round(int(memory_kib) / 2**20, 1) if memory_kib else None,
        "system": platform.platform(),
        "gpus": gpu_facts(),
    }


def versions() -> dict[str, str | None]:
    """Versions of Python and of the packages that matter; None where not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def thread_settings() -> dict[str, str]:
    """Environment variables that change how many threads libraries use."""
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith(("OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "ORT_"))
    }


@contextmanager
def _nvml() -> Iterator[tuple[Any, list[Any]]]:
    """NVML (nvidia-ml-py) and its devices; no devices where there is no driver or package."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # a missing package, driver or permission all mean: nothing is told
        yield None, []
        return
    try:
        devices = range(pynvml.nvmlDeviceGetCount())
        yield pynvml, [pynvml.nvmlDeviceGetHandleByIndex(index) for index in devices]
    finally:
        pynvml.nvmlShutdown()


def gpu_facts() -> list[dict[str, Any]]:
    """Name, driver and used memory of each NVIDIA GPU; empty where none is told."""
    with _nvml() as (nvml, devices):
        return [
            {
                "name": str(nvml.nvmlDeviceGetName(device)),
                "driver": str(nvml.nvmlSystemGetDriverVersion()),
                "used_mib": nvml.nvmlDeviceGetMemoryInfo(device).used / 2**20,
            }
            for device in devices
        ]


def _own_usage() -> tuple[float, int]:
    """Largest resident memory of this process so far, MiB, and how often it was made to wait for
    a processor; zeros where the system does not count them (Windows)."""
    if sys.platform == "win32":
        return 0.0, 0
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return usage.ru_maxrss / unit, usage.ru_nivcsw


def peak_rss_mib() -> float:
    """Largest resident memory of this process so far, MiB."""
    return _own_usage()[0]


@dataclass(frozen=True)
class _Ticks:
    busy: float
    stolen: float


def _system_seconds(processors: Set[int]) -> _Ticks | None:
    """Processor seconds since boot on ``processors``: spent in any process, and withheld. None
    where the system does not tell them of each."""
    wanted = {f"cpu{number}" for number in processors}
    lines = [line.split() for line in (_read("/proc/stat") or "").splitlines()]
    lines = [line for line in lines if line and line[0] in wanted and len(line) >= 9]
    if not wanted or len(lines) != len(wanted):
        return None
    user, nice, system, _, _, irq, softirq, steal = (
        sum(int(line[column]) for line in lines) for column in range(1, 9)
    )
    hertz = os.sysconf("SC_CLK_TCK")
    return _Ticks((user + nice + system + irq + softirq) / hertz, steal / hertz)


def _energy_counters() -> dict[str, tuple[float, float]]:
    """Source -> (energy counter, range after which it wraps), joules: RAPL packages and GPUs."""
    found = {}
    for zone in sorted(_RAPL.glob("intel-rapl:[0-9]*")) if _RAPL.is_dir() else ():
        if zone.name.count(":") > 1:
            continue  # a part of a package, already in its sum
        energy, wraps = _read(zone / "energy_uj"), _read(zone / "max_energy_range_uj")
        if energy and wraps:
            found[zone.name] = (int(energy) / 1e6, int(wraps) / 1e6)
    with _nvml() as (nvml, devices):
        for index, device in enumerate(devices):
            millijoules = nvml.nvmlDeviceGetTotalEnergyConsumption(device)
            found[f"gpu{index}"] = (millijoules / 1e3, math.inf)
    return found


def _energy_used(
    before: dict[str, tuple[float, float]], after: dict[str, tuple[float, float]]
) -> float | None:
    """Joules between two readings, None without a counter."""
    if not before or before.keys() != after.keys():
        return None
    used = 0.0
    for source, (start, wraps) in before.items():
        rise = after[source][0] - start
        used += rise if rise >= 0 else rise + wraps
    return used


class QuietWatch:
    """Watches, from its making to ``report``, what else ran on the processors that this process may
    use, and the energy."""

    def __init__(self) -> None:
        told = hasattr(os, "sched_getaffinity")
        self._processors = os.sched_getaffinity(0) if told else set()
        self._wall = time.perf_counter()
        self._own = time.process_time()
        self._system = _system_seconds(self._processors)
        self._switches = _own_usage()[1]
        self._energy = _energy_counters()

    def report(self) -> dict[str, Any]:
        """Shares of those processors and a verdict: ``quiet``, ``noisy`` or ``unknown``."""
        wall = time.perf_counter() - self._wall
        own = time.process_time() - self._own
        system = _system_seconds(self._processors)
        switches = _own_usage()[1] - self._switches
        report: dict[str, Any] = {
            "verdict": "unknown",
            "reasons": [],
            "seconds": wall,
            "own_cpu_share": own / wall / usable_processors(),
            "other_cpu_share": None,
            "steal_share": None,
            "involuntary_switches_per_s": switches / wall,
            "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
            "energy_j": _energy_used(self._energy, _energy_counters()),
        }
        if self._system is None or system is None:
            return report
        available = wall * len(self._processors)
        others = max(0.0, system.busy - self._system.busy - own) / available
        stolen = (system.stolen - self._system.stolen) / available
        report["other_cpu_share"], report["steal_share"] = others, stolen
        reasons = report["reasons"]
        if others > NOISY_CPU_SHARE:
            reasons.append(f"other processes used {others:.0%} of the processors")
        if stolen > NOISY_STEAL_SHARE:
            reasons.append(f"the hypervisor withheld {stolen:.0%} of the processor time")
        report["verdict"] = "noisy" if reasons else "quiet"
        return report
