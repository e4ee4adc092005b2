import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_model import tiny_model

from same_engines import Bundle
from same_engines.errors import SameError
from same_export.checkpoint_delta import rebuild_checkpoint, write_delta
from same_export.cli import ExportCommand, export
from same_export.write_bundle import write_bundle
from same_model.checkpoint import save_checkpoint
from same_runtime.demo import demo_bundle

DELTA = Path(__file__).resolve().parents[2] / "model" / "lite.delta"


@pytest.fixture(scope="module")
def made(tmp_path_factory, small_rig):
    """A tiny checkpoint whose batch normalisations matter, its bundle and its delta."""
    root = tmp_path_factory.mktemp("delta")
    model = tiny_model(backbone_width=0.25)
    for name, tensor in model.state_dict().items():
        if name.endswith("running_mean"):
            tensor.normal_(std=0.3)
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
    checkpoint = root / "tiny.safetensors"
    save_checkpoint(checkpoint, model)
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    write_bundle(model, digest, small_rig, root / "tiny.same", ("fp32",))
    write_delta(checkpoint, Bundle.open(root / "tiny.same"), root / "tiny.delta")
    return root


def test_the_checkpoint_comes_back_bit_by_bit(made, tmp_path):
    bundle = Bundle.open(made / "tiny.same")
    rebuild_checkpoint(bundle, made / "tiny.delta", tmp_path / "again.safetensors")
    content = (made / "tiny.safetensors").read_bytes()
    assert (tmp_path / "again.safetensors").read_bytes() == content
    assert (made / "tiny.delta").stat().st_size < len(content) / 3


def test_the_shipped_bundle_and_its_delta_give_the_checkpoint_of_the_manifest(tmp_path):
    bundle = Bundle.open(demo_bundle())
    rebuild_checkpoint(bundle, DELTA, tmp_path / "lite.safetensors")
    content = (tmp_path / "lite.safetensors").read_bytes()
    assert hashlib.sha256(content).hexdigest() == bundle.manifest.checkpoint_sha256
    assert DELTA.stat().st_size < len(content) / 40


def test_the_command_writes_a_delta_and_rebuilds(made, tmp_path):
    checkpoint = made / "tiny.safetensors"
    bundle, delta = tmp_path / "a.same", tmp_path / "a.delta"
    export(ExportCommand(checkpoint, out=bundle, delta=delta, precision="fp32"))
    export(ExportCommand(bundle=bundle, delta=delta, out=tmp_path / "b.safetensors"))
    assert (tmp_path / "b.safetensors").read_bytes() == checkpoint.read_bytes()
    for changes, message in (
        ({"out": None}, "needs --out NAME.safetensors"),
        ({"out": tmp_path / "b.pt"}, "needs --out NAME.safetensors"),
        ({"target": "tensorrt"}, "needs --out NAME.safetensors and nothing else"),
    ):
        command = ExportCommand(bundle=bundle, delta=delta, out=tmp_path / "c.safetensors")
        with pytest.raises(SameError, match=message):
            export(replace(command, **changes))
    for changes, message in (
        ({"precision": "fp16"}, "in the fp32 graphs"),
        ({"source": None, "ckpt": tmp_path / "model.pt"}, "ends in .safetensors"),
    ):
        with pytest.raises(SameError, match=message):
            export(replace(ExportCommand(checkpoint, delta=delta), **changes))


def test_what_does_not_belong_together_is_named(made, tmp_path, tiny_bundle):
    bundle, out = Bundle.open(made / "tiny.same"), tmp_path / "out.safetensors"
    content = (made / "tiny.delta").read_bytes()
    for damaged in (content[:-100], content[:60] + b"?" + content[61:]):
        (tmp_path / "bad.delta").write_bytes(damaged)
        with pytest.raises(SameError, match=r"bad\.delta: damaged, or not of"):
            rebuild_checkpoint(bundle, tmp_path / "bad.delta", out)
    (tmp_path / "bad.delta").write_bytes(b"something else")
    with pytest.raises(SameError, match="not what same-export --delta writes"):
        rebuild_checkpoint(bundle, tmp_path / "bad.delta", out)
    with pytest.raises(SameError, match="damaged, or not of"):
        rebuild_checkpoint(Bundle.open(tiny_bundle), made / "tiny.delta", out)
    with pytest.raises(SameError, match=r"absent\.delta: cannot be read"):
        rebuild_checkpoint(bundle, tmp_path / "absent.delta", out)
    assert not out.exists()
    with pytest.raises(SameError, match="is not the checkpoint of"):
        write_delta(made / "tiny.safetensors", Bundle.open(tiny_bundle), tmp_path / "a.delta")


def test_what_is_no_multiple_is_kept_as_it_is(made, tmp_path):
    """As of a bundle from another exporter, which stores something of its own."""
    model = tiny_model(backbone_width=0.25, seed=9)
    checkpoint = tmp_path / "other.safetensors"
    save_checkpoint(checkpoint, model)
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    bundle = Bundle.open(made / "tiny.same")
    claimed = Bundle(bundle.path, replace(bundle.manifest, checkpoint_sha256=digest))
    write_delta(checkpoint, claimed, tmp_path / "other.delta")
    rebuild_checkpoint(claimed, tmp_path / "other.delta", tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == checkpoint.read_bytes()
