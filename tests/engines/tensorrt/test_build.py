"""TensorRT-RTX builds every stage ahead of time, on a machine with no GPU."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from same_engines import Bundle, open_engine
from same_engines.bundle.manifest import STAGES
from same_engines.bundle.plans import (
    VARIANTS,
    Plans,
    plan_bytes,
    read_plans,
    why_stale,
    write_plans,
)
from same_engines.errors import BundleError, EngineError
from same_engines.gpu.cuda_device import find_driver
from same_engines.gpu.deform_attn_cuda import DeformAttnShape, compile_kernel
from same_engines.openvino.library import is_x86
from same_engines.tensorrt.build import build_plans, build_stage, count_plans, plan_key
from same_engines.tensorrt.engine import open_stages, usable_plans
from same_engines.tensorrt.library import load_tensorrt
from same_engines.tensorrt.plugin import (
    NAME,
    NAMESPACE,
    VERSION,
    OperatorFields,
    make_creator,
    plugin_registered,
)

RTX = "tensorrt-rtx"
ITERATIONS = 1  # of the tiny bundle


@pytest.fixture(scope="session")
def built(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory, rtx) -> Bundle:
    """A bundle with fp16 and fp32 plans of both variants; copy it before changing it."""
    folder = tmp_path_factory.mktemp("built") / "tiny.same"
    shutil.copytree(tiny_bundle, folder)
    bundle = Bundle.open(folder)
    received: list[tuple[str, float]] = []
    plans, contents = build_plans(
        bundle, RTX, ("fp32", "fp16"), VARIANTS, progress=lambda *told: received.append(told)
    )
    count = count_plans(("fp32", "fp16"), VARIANTS)
    assert len({name for name, _ in received}) == received[-1][1] == count == len(plans.plans)
    write_plans(bundle, plans, contents)
    return bundle


@pytest.fixture
def copied(built: Bundle, tmp_path: Path) -> Bundle:
    shutil.copytree(built.path, tmp_path / "tiny.same")
    return Bundle.open(tmp_path / "tiny.same")


def plans_of(bundle: Bundle) -> Plans:
    plans = read_plans(bundle, RTX)
    assert plans is not None
    return plans


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_one_plugin_layer_an_iteration_in_one_variant_none_in_the_other(
    built: Bundle, precision: str
) -> None:
    plans = plans_of(built)
    for stage in STAGES:
        for variant in VARIANTS:
            plan = plans.find(precision, variant, stage)
            assert plan is not None
            expected = ITERATIONS if (stage, variant) == ("fusion", "plugin") else 0
            assert plan.plugin_layers == expected
            content = plan_bytes(built, RTX, plan)
            assert len(content) > 10_000
            # Field names appear in a plan only where a plugin serialised its fields.
            assert content.count(b"num_shell_points") >= expected
            assert (b"num_shell_points" in content) == (expected > 0)


def test_stages_without_the_operator_are_built_once_for_both_variants(built: Bundle) -> None:
    plans = plans_of(built)
    for stage in STAGES:
        plugin, standard = (plans.find("fp16", variant, stage) for variant in VARIANTS)
        assert plugin is not None and standard is not None
        assert (plugin.path == standard.path) == (stage != "fusion")
    files = {file.name for file in (built.path / "targets" / RTX).iterdir()}
    assert files == {plan.path for plan in plans.plans} | {"plans.json"}


def test_fields_survive_serialisation(rtx) -> None:
    creator = make_creator(rtx.module)
    fields = OperatorFields(8, 0.25, 1)
    plugin = creator.create_plugin("node", fields.collection(rtx.module), None)
    assert OperatorFields.read(plugin.get_fields_to_serialize()) == fields
    assert OperatorFields.read(plugin.clone().get_fields_to_serialize()) == fields
    kinds = {item.name: item.type for item in plugin.get_fields_to_serialize()}
    assert kinds == {
        "num_shell_points": rtx.module.PluginFieldType.INT32,
        "delta": rtx.module.PluginFieldType.FLOAT32,
        "pe_sum": rtx.module.PluginFieldType.INT32,
    }
    with pytest.raises(KeyError, match="delta"):
        OperatorFields.read(list(fields.collection(rtx.module))[:1])


def test_a_running_plugin_queues_the_kernel_with_the_sizes_it_was_told(rtx) -> None:
    calls: list[tuple] = []
    creator = make_creator(rtx.module, lambda *call: calls.append(call))
    plugin = creator.create_plugin(
        "node", OperatorFields(8, 0.25, 1).collection(rtx.module), rtx.module.TensorRTPhase.RUNTIME
    )
    dims = {0: (2, 16, 30, 40), 3: (2, 22, 4, 8, 2), 6: (12, 24)}
    inputs = [SimpleNamespace(dims=dims.get(i, ()), type=rtx.module.float16) for i in range(8)]
    plugin.on_shape_change(inputs, [])
    attached = plugin.attach_to_context(None)
    attached.enqueue(inputs, [], [1, 2], [3], 0, 4)
    shape = DeformAttnShape(2, 16, 30, 40, 22, 4, 8, 12, 8, 0.25, pe_sum=True, half=True)
    assert calls == [(shape, [1, 2], [3], 4)]
    builder = make_creator(rtx.module).create_plugin(
        "node", OperatorFields(8, 0.25, 1).collection(rtx.module), rtx.module.TensorRTPhase.BUILD
    )
    builder.on_shape_change(inputs, [])
    with pytest.raises(RuntimeError, match="made to build plans"):
        builder.enqueue(inputs, [], [1, 2], [3], 0, 4)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_plans_hold_the_fields_of_the_graph(rtx, built: Bundle, precision: str) -> None:
    config = built.manifest.config.network
    shell = np.int32(config["shell_points"]).tobytes()
    delta = np.float32(config["shell_half_depth_m"]).tobytes()
    pe_sum = np.int32(config["pe_weighting"] == "sum").tobytes()
    plan = plans_of(built).find(precision, "plugin", "fusion")
    assert plan is not None
    content = plan_bytes(built, RTX, plan)
    # Name, version, namespace and the three fields with their types, once for each layer.
    record = NAME.encode() + rb".{0,300}?num_shell_points.{0,60}?INT32.{0,200}?pe_sum.{57}"
    records = re.findall(record, content, re.DOTALL)
    assert len(records) == ITERATIONS
    for fields in records:
        values = re.findall(rb"(?:INT32|FP32).{14}(.{4})", fields, re.DOTALL)
        assert values == [shell, delta, pe_sum]
        assert NAMESPACE.encode() in fields[: fields.index(b"num_shell_points")]


def test_the_plugin_is_registered_only_while_asked(rtx) -> None:
    registry = rtx.module.get_plugin_registry()
    assert registry.get_creator(NAME, VERSION, NAMESPACE) is None
    with plugin_registered(rtx.module):
        with plugin_registered(rtx.module):
            assert registry.get_creator(NAME, VERSION, NAMESPACE) is not None
        assert registry.get_creator(NAME, VERSION, NAMESPACE) is not None
    assert registry.get_creator(NAME, VERSION, NAMESPACE) is None


def test_a_standard_plan_is_refused_while_a_plugin_is_loaded(rtx, built: Bundle) -> None:
    content = built.graph_bytes("fp32", "fusion")
    with plugin_registered(rtx.module), pytest.raises(EngineError, match="does not load"):
        build_stage(rtx, content, "fusion.onnx", "standard")


def test_a_graph_that_is_no_graph_is_an_error_not_an_abort(rtx) -> None:
    with pytest.raises(EngineError, match="fusion.onnx: tensorrt-rtx cannot read the graph"):
        build_stage(rtx, b"not a graph", "fusion.onnx", "plugin")


def test_fresh_plans_are_used_and_stale_ones_say_why(built: Bundle) -> None:
    plans = plans_of(built)
    key = plans.key
    assert why_stale(plans, built, key, "fp16", "plugin", "fusion") is None
    assert why_stale(None, built, key, "fp16", "plugin", "fusion") == "the bundle has no plans"
    for changed, said in (
        ({"library_version": "9.9"}, "built for library version .*, here it is 9.9"),
        ({"gpu": "H100 sm_90"}, "built for gpu portable, here it is H100 sm_90"),
    ):
        other = type(key)(**{**vars(key), **changed})
        reason = why_stale(plans, built, other, "fp16", "plugin", "fusion")
        assert reason is not None

        assert re.fullmatch(said, reason)
    fewer = Plans(key, tuple(plan for plan in plans.plans if plan.precision == "fp32"))
    assert "no fp16 plugin plan" in (why_stale(fewer, built, key, "fp16", "plugin", "fusion") or "")


def test_plans_of_a_changed_graph_are_built_again(
    copied: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    plans = plans_of(copied)
    forged = [vars(plan) | {"graph_sha256": "0" * 64} for plan in plans.plans]
    write_plans(copied, Plans(plans.key, tuple(type(plans.plans[0])(**f) for f in forged)), {})
    with caplog.at_level("WARNING", "same"):
        contents = usable_plans(copied, plans.key, "fp16", "plugin")
    assert "the graph of visual has changed" in caplog.text
    assert set(contents) == set(STAGES)
    kept = plans_of(copied)
    assert all(
        why_stale(kept, copied, plans.key, "fp16", "plugin", stage) is None for stage in STAGES
    )


def test_a_tampered_plan_is_never_run_but_built_again(
    copied: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    plans = plans_of(copied)
    plan = plans.find("fp16", "plugin", "fusion")
    assert plan is not None
    file = copied.path / "targets" / RTX / plan.path
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with caplog.at_level("WARNING", "same"):
        came = usable_plans(copied, plans.key, "fp16", "plugin")
    assert "was changed or damaged" in caplog.text
    assert came["fusion"] != bytes(content)
    assert usable_plans(copied, plans.key, "fp16", "plugin") == came


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace('"gpu": "portable"', '"gpu": "any"'),
        lambda text: text.replace('"plugin_layers": 1', '"plugin_layers": 0'),
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "{}",
    ],
)
def test_a_tampered_index_is_refused(copied: Bundle, edit) -> None:
    index = copied.path / "targets" / RTX / "plans.json"
    index.write_text(edit(index.read_text()))
    with pytest.raises(BundleError, match="same-export"):
        read_plans(copied, RTX)


def test_plan_files_outside_the_bundle_are_refused(copied: Bundle, tmp_path: Path) -> None:
    plans = plans_of(copied)
    plan = type(plans.plans[0])(**(vars(plans.plans[0]) | {"path": "../../../secret"}))
    with pytest.raises(BundleError, match="leaves the bundle"):
        plan_bytes(copied, RTX, plan)
    inside = copied.path / "targets" / RTX / plans.plans[0].path
    (tmp_path / "elsewhere").write_bytes(inside.read_bytes())
    inside.unlink()
    inside.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="a link"):
        plan_bytes(copied, RTX, plans.plans[0])


def test_stock_tensorrt_builds_only_for_the_gpu_that_is_there(rtx) -> None:
    stock = type(rtx)("tensorrt", rtx.module, "10.13", rtx.logger)
    with pytest.raises(EngineError, match="--target tensorrt-rtx"):
        plan_key(stock, None)
    assert plan_key(stock, "H100 sm_90").gpu == "H100 sm_90"


@pytest.mark.skipif(find_driver() is None, reason="this machine has a GPU driver")
def test_without_a_driver_opening_is_a_typed_error(rtx, built: Bundle) -> None:
    for backend in (RTX, "tensorrt", "onnxruntime-cuda"):
        with pytest.raises(EngineError, match="no NVIDIA driver.*backend='onnxruntime'"):
            open_engine(built, backend)
    plans = plans_of(built)
    contents = usable_plans(built, plans.key, "fp16", "plugin")
    with pytest.raises(EngineError, match="driver"):
        open_stages(rtx, built, "fp16", contents, None, {})


@pytest.mark.skipif(find_driver() is None, reason="this machine has a GPU driver")
def test_auto_says_what_it_picked_and_why(
    tiny_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level("INFO", "same"),
        open_engine(Bundle.open(tiny_bundle), "auto", threads=1) as engine,
    ):
        picked = engine.backend
    has_openvino = is_x86() and importlib.util.find_spec("openvino") is not None
    assert picked == ("openvino" if has_openvino else "onnxruntime")
    assert (
        f"backend auto: {picked} on 1 CPU threads, because no NVIDIA driver on this machine"
        in caplog.text
    )


def test_a_library_that_is_not_installed_is_a_typed_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    load_tensorrt.cache_clear()
    with pytest.raises(EngineError, match=r"pip install .*\[gpu\]'"):
        load_tensorrt("tensorrt")
    with pytest.raises(EngineError, match="expected tensorrt or tensorrt-rtx"):
        load_tensorrt("tensorflow")


_IMPORTED_FIRST = """
import tensorrt_rtx_libs, tensorrt_rtx
from same_engines import Bundle
from same_engines.tensorrt.build import build_stage
from same_engines.tensorrt.library import load_tensorrt
import sys
graph = Bundle.open(sys.argv[1]).graph_bytes("fp32", "fusion")
print(build_stage(load_tensorrt("tensorrt-rtx"), graph, "fusion", "plugin").plugin_layers)
"""


def test_an_application_that_imported_the_library_first_is_not_aborted(
    rtx, tiny_bundle: Path
) -> None:
    libraries = Path(importlib.util.find_spec("tensorrt_rtx_libs").origin).parent
    link = libraries / "libtensorrt_rtx.so"
    was_there = link.exists()
    made = subprocess.run(
        [sys.executable, "-c", _IMPORTED_FIRST, str(tiny_bundle)], capture_output=True, text=True
    )
    if not was_there:
        link.unlink(missing_ok=True)
    assert (made.returncode, made.stdout.strip()) == (0, str(ITERATIONS)), made.stderr[-500:]


@pytest.mark.parametrize("architecture", ["sm_75", "sm_90", "sm_120"])
def test_the_kernel_compiles_at_run_time_without_a_gpu(architecture: str) -> None:
    pytest.importorskip("cuda.core", reason="needs pip install .[rtx]")
    assert len(compile_kernel(architecture).code) > 10_000


def test_an_unknown_architecture_is_a_typed_error() -> None:
    pytest.importorskip("cuda.core", reason="needs pip install .[rtx]")
    with pytest.raises(EngineError, match="cannot be compiled for sm_1"):
        compile_kernel("sm_1")
