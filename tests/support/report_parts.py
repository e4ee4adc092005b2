"""Made-up benchmark reports."""

from dataclasses import replace

import numpy as np

from same_bench.measuring.measure import STAGE_NAMES, Samples
from same_bench.reporting.report import Report, Run, Twin

QUIET = {"verdict": "quiet", "reasons": [], "energy_j": None}


def make_samples(name: str = "onnxruntime", n: int = 1800, scale: float = 1.0) -> Samples:
    """Latencies of a paced run at 90 Hz: a body, a tail, a spike, two dropped frames."""
    random = np.random.default_rng(0)
    latency = scale * (5e6 + 2e5 * random.normal(size=n) + 2e6 * (random.random(n) > 0.97))
    latency[n // 2] = 24e6
    slot = np.arange(n) + 2 * (np.arange(n) > n // 2)
    samples = Samples(name, "paced", 90.0, n + 2, 64, (n + 2) / 90)
    samples.latency_ns = latency.astype(int).tolist()
    samples.slot = slot.tolist()
    samples.finished_ns = (slot / 90 * 1e9 + latency).astype(int).tolist()
    shares = dict.fromkeys(STAGE_NAMES, 0.005) | {
        "visual": 0.7,
        "fusion": 0.2,
        "temporal": 0.06,
        "network": 0.0,
    }
    samples.stage_ns = {k: (latency * v).astype(int).tolist() for k, v in shares.items()}
    samples.status = {"VALID": n}
    samples.probe_calls = 15 * n
    return samples


def make_report(run: Run | None = None, **changed: object) -> Report:
    cold = {"import_ms": 300.0, "peak_rss_mib": 128.0}
    run = run or Run(make_samples(), QUIET, cold, precision="fp32")
    eager = make_samples("torch-eager", 200, 4.0)
    peers = tuple(
        Run(replace(s, mode="interleaved", rate_hz=None, scheduled=None), QUIET)
        for s in (make_samples("same", 200), eager)
    )
    report = Report(
        created="2026-01-01T00:00:00Z",
        command="same-bench --rate 90",
        bundle={
            "name": "x.same",
            "preset": "lite",
            "precision": "fp32",
            "manifest_sha256": "ab" * 32,
        },
        settings={"threads": 2, "recording": "demo.mcap", "clip_frames": 24},
        machine={"cpu_model": "A <CPU> & more", "processors": 2, "usable_processors": 2},
        versions={"python": "3.11", "torch": None},
        thread_environment={"OMP_NUM_THREADS": "2"},
        probe_cost_ns=300.0,
        runs=(run,),
        peers=peers,
        not_run={"openvino": "not installed"},
        twins=(Twin("preprocess", "C++", "NumPy", [10, 11, 12], [100, 110, 120]),),
    )
    return replace(report, **changed)  # type: ignore[arg-type]
