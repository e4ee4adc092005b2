"""The native plugin, built against TensorRT's headers and loaded into TensorRT-RTX."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rtx import skip_without_rtx

REPO = Path(__file__).resolve().parents[3]
ITERATIONS = 1  # of the tiny bundle

_BUILD_WITH_BOTH = """
import json, re, sys
from same_engines import Bundle
from same_engines.tensorrt.build import build_stage
from same_engines.tensorrt.library import load_tensorrt
from same_engines.tensorrt.plugin import NAME, NAMESPACE, VERSION

tensorrt = load_tensorrt("tensorrt-rtx")
bundle = Bundle.open(sys.argv[1])
registry = tensorrt.module.get_plugin_registry()
plans = {"python": {}, "native": {}}
for kind, stages in plans.items():
    if kind == "native":
        registry.load_library(sys.argv[2])
        creator = registry.get_creator(NAME, VERSION, NAMESPACE)
        assert creator.api_language == tensorrt.module.APILanguage.CPP
    for precision in ("fp32", "fp16"):
        graph = bundle.graph_bytes(precision, "fusion")
        built = build_stage(tensorrt, graph, "fusion", "plugin")
        # Name, version, namespace, then three fields, the last with its type, length and value.
        record = NAME.encode() + rb".{0,300}?num_shell_points.{0,60}?INT32.{0,200}?pe_sum.{57}"
        fields = [found.hex() for found in re.findall(record, built.content, re.DOTALL)]
        stages[precision] = (built.plugin_layers, fields)
print(json.dumps(plans))
"""


@pytest.fixture(scope="module")
def native_plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    headers = Path(os.environ.get("TENSORRT_INCLUDE_DIR", REPO / "build/tensorrt-headers"))
    if not (headers / "NvInferRuntime.h").is_file():
        pytest.skip("needs TensorRT's headers: TENSORRT_INCLUDE_DIR or make tensorrt-headers")
    if shutil.which("nvcc") is None or shutil.which("cmake") is None:
        pytest.skip("needs nvcc and cmake")
    build = tmp_path_factory.mktemp("native_plugin")
    subprocess.run(
        [
            "cmake",
            "-S",
            str(REPO / "cpp/cuda"),
            "-B",
            str(build),
            "-DCMAKE_BUILD_TYPE=Release",
            "-DCMAKE_CUDA_ARCHITECTURES=90-real",
            f"-DTENSORRT_INCLUDE_DIR={headers}",
        ],
        check=True,
        capture_output=True,
    )
    made = subprocess.run(
        ["cmake", "--build", str(build)], check=True, capture_output=True, text=True
    )
    assert "warning" not in made.stderr, made.stderr
    return build / "libsame_tensorrt_plugin.so"


def test_both_plugins_write_the_same_record_into_a_plan(
    native_plugin: Path, tiny_bundle: Path
) -> None:
    skip_without_rtx()
    made = subprocess.run(
        [sys.executable, "-c", _BUILD_WITH_BOTH, str(tiny_bundle), str(native_plugin)],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr[-800:]
    plans = json.loads(made.stdout.splitlines()[-1])
    for precision in ("fp32", "fp16"):
        assert plans["python"][precision][0] == plans["native"][precision][0] == ITERATIONS
        python, native = (plans[kind][precision][1] for kind in ("python", "native"))
        assert len(python) == ITERATIONS
        assert python == native
