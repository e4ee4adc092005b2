"""What the machine tells: noise while something runs, energy counters, GPUs."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from same_bench.measuring import machine
from same_bench.measuring.machine import QuietWatch, gpu_facts


def test_noise_is_detected() -> None:
    watch = QuietWatch()
    burner = "import time\nend = time.monotonic() + 2\nwhile time.monotonic() < end: pass"
    subprocess.run([sys.executable, "-c", burner], check=True)
    report = watch.report()
    if report["verdict"] == "unknown":
        pytest.skip("this system does not tell its load")
    assert report["verdict"] == "noisy" and report["other_cpu_share"] > 0.05
    assert "other processes used" in report["reasons"][0]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no call for it")
def test_only_the_processors_that_may_be_used_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of one core to this process, half to another, on a machine of 64."""
    passed_s, hertz = 0, os.sysconf("SC_CLK_TCK")

    def stat(_: object) -> str:
        busy = [passed_s * hertz if number == 3 else 0 for number in range(64)]
        lines = [f"cpu{number} {ticks} 0 0 0 0 0 0 0 0 0" for number, ticks in enumerate(busy)]
        return "\n".join([f"cpu  {sum(busy)} 0 0 0 0 0 0 0 0 0", *lines, "intr 0"])

    monkeypatch.setattr(machine, "_read", stat)
    monkeypatch.setattr(machine, "_energy_counters", dict)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: {3})
    monkeypatch.setattr(machine.time, "perf_counter", lambda: float(passed_s))
    monkeypatch.setattr(machine.time, "process_time", lambda: 0.5 * passed_s)
    watch = QuietWatch()
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: {3, 64})  # one that is not told
    untold = QuietWatch()
    passed_s = 60
    assert untold.report()["verdict"] == "unknown"
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: {3})
    report = watch.report()
    assert report["own_cpu_share"] == report["other_cpu_share"] == pytest.approx(0.5)
    assert report["reasons"] == ["other processes used 50% of the processors"]


def test_energy_adds_packages_and_survives_wrapping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_RAPL", tmp_path)

    def write(zone: str, energy_uj: int) -> None:
        (tmp_path / zone).mkdir(exist_ok=True)
        (tmp_path / zone / "energy_uj").write_text(f"{energy_uj}\n")
        (tmp_path / zone / "max_energy_range_uj").write_text("10000000\n")

    write("intel-rapl:0", 9_000_000)
    write("intel-rapl:1", 1_000_000)
    write("intel-rapl:0:0", 5_000_000)
    watch = QuietWatch()
    write("intel-rapl:0", 2_000_000)
    write("intel-rapl:1", 1_500_000)
    write("intel-rapl:0:0", 9_000_000)
    assert watch.report()["energy_j"] == pytest.approx(3.5)


def test_without_counters_nothing_is_made_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_RAPL", tmp_path)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert QuietWatch().report()["energy_j"] is None
    assert gpu_facts() == []


def test_gpu_facts_come_from_nvml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a stand-in for the driver's library, which CI's machines lack."""
    energy = iter((5_000, 12_000))
    nvml = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda device: "a GPU",
        nvmlSystemGetDriverVersion=lambda: "1.2",
        nvmlDeviceGetMemoryInfo=lambda device: SimpleNamespace(used=3 << 20),
        nvmlDeviceGetTotalEnergyConsumption=lambda device: next(energy),
    )
    monkeypatch.setattr(machine, "_RAPL", tmp_path)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert gpu_facts() == [{"name": "a GPU", "driver": "1.2", "used_mib": 3.0}]
    assert QuietWatch().report()["energy_j"] == pytest.approx(7.0)
