"""What a GPU report says of each target."""

from typing import Any, Final

_TARGETS: Final = {
    "p50_ms": 0.5,
    "p99_ms": 0.8,
    "over_eager": 10.0,
    "over_onnxruntime_cuda": 2.0,
    "operator_speed_up": 5.0,
    "error_mm": 1.0,
}


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    """Each target with what was measured of it, or that it was not measured."""
    engines = report["presets"].get("base", {}).get("engines", {})
    ours = {
        name: entry
        for name, entry in engines.items()
        if name.endswith(" fp16") and "push" in entry and ("plugin" in name or "kernel" in name)
    }
    said = {}
    if ours:
        name, best = min(ours.items(), key=lambda item: item[1]["push"]["p50_ms"])
        p50 = best["push"]["p50_ms"]
        said["base fp16 engine"] = name
        said["push p50"] = _compare(p50, _TARGETS["p50_ms"], "ms", at_most=True)
        said["push p99"] = _compare(
            best["push"].get("p99_ms"), _TARGETS["p99_ms"], "ms", at_most=True
        )
        for peer, target in (
            ("torch eager", "over_eager"),
            ("onnxruntime-cuda", "over_onnxruntime_cuda"),
        ):
            push = engines.get(f"{peer} fp16", {}).get("push")
            ratio = push["p50_ms"] / p50 if push else None
            said[f"times faster than {peer}"] = _compare(ratio, _TARGETS[target], "x")
        said["largest joint error"] = _compare(
            best["error_mm"], _TARGETS["error_mm"], "mm", at_most=True
        )
    else:
        said["base fp16"] = "not measured"
    operator = [
        entry["speed_up_over_plugin_free"]
        for name, entry in report["kernel"].items()
        if name.startswith("base fp16") and "speed_up_over_plugin_free" in entry
    ]
    said["operator over its plugin-free form"] = _compare(
        max(operator, default=None), _TARGETS["operator_speed_up"], "x"
    )
    return said


def _compare(value: float | None, target: float, unit: str, at_most: bool = False) -> str:
    if value is None:
        return "not measured"
    held = value <= target if at_most else value >= target
    sign = "<=" if at_most else ">="
    return f"{value:.3g} {unit}, asked {sign} {target:g}: {'holds' if held else 'does not hold'}"
