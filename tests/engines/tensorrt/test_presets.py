"""TensorRT-RTX builds the presets' own graphs ahead of time, with random weights."""

import pytest
from rtx import skip_without_rtx

from same_engines.bundle.manifest import PRECISIONS, STAGES
from same_engines.bundle.plans import VARIANTS
from same_engines.tensorrt.build import build_stage
from same_engines.tensorrt.library import load_tensorrt
from same_engines.tensorrt.plugin import NAME


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["lite", "base", "large"])
def test_every_stage_of_every_preset_builds_in_both_precisions_and_variants(preset: str) -> None:
    skip_without_rtx()
    pytest.importorskip("torch", reason="needs pip install .[export]")
    from same_export.stages import export_stage, for_precision
    from same_model.config import PRESETS
    from same_model.same_network import SameModel

    rtx = load_tensorrt("tensorrt-rtx")
    config = PRESETS[preset]
    model = SameModel(config).eval()
    for precision in PRECISIONS:
        converted = for_precision(model, precision)
        for stage in STAGES:
            graph = export_stage(converted, stage).content
            assert (NAME.encode() in graph) == (stage == "fusion")
            for variant in VARIANTS if stage == "fusion" else VARIANTS[:1]:
                built = build_stage(rtx, graph, f"{preset} {precision} {stage}", variant)
                one_each = (stage, variant) == ("fusion", "plugin")
                assert built.plugin_layers == (config.iterations if one_each else 0)
                assert built.content.count(b"num_shell_points") >= built.plugin_layers
                assert (b"num_shell_points" in built.content) == one_each
                assert len(built.content) > 0.9 * len(graph)  # the weights are in it
