"""A bundle that was changed, damaged or made to harm is refused with a BundleError."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from same_engines import Bundle, open_engine
from same_engines.bundle.manifest import (
    MANIFEST_NAME,
    STAGES,
    canonical_sha256,
    parse_manifest,
    say_trained_steps,
)
from same_engines.errors import BundleError


@pytest.fixture
def bundle_copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy.same"))


def rewrite_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest and sign it again, as a careful attacker would."""
    path = folder / MANIFEST_NAME
    content = json.loads(path.read_text())
    content.pop("manifest_sha256")
    change(content)
    content["manifest_sha256"] = canonical_sha256(content)
    path.write_text(json.dumps(content))


def first_input(content: dict[str, Any]) -> dict[str, Any]:
    return content["graphs"]["fp32"]["visual"]["inputs"][0]


def test_a_good_bundle_opens_and_verifies(tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    bundle.verify()
    assert bundle.precisions() == ("fp32", "fp16")
    assert bundle.manifest.preset == "tiny"
    assert bundle.manifest.parity["fp32"]["stream_max_m"] < 1e-4


def test_every_flipped_byte_of_the_manifest_is_noticed(bundle_copy: Path) -> None:
    path = bundle_copy / MANIFEST_NAME
    good = path.read_bytes()
    stride = max(1, len(good) // 500)
    for at in [*range(0, len(good), stride), len(good) - 2]:
        changed = bytearray(good)
        changed[at] ^= 0x01
        path.write_bytes(changed)
        try:
            content = json.loads(bytes(changed))
        except ValueError:
            content = None
        if content == json.loads(good):
            continue  # white space: means the same
        with pytest.raises(BundleError):
            Bundle.open(bundle_copy)


def test_every_flipped_byte_of_a_graph_is_noticed(bundle_copy: Path) -> None:
    bundle = Bundle.open(bundle_copy)
    path = bundle_copy / "fusion.onnx"
    good = path.read_bytes()
    for at in range(0, len(good), max(1, len(good) // 200)):
        changed = bytearray(good)
        changed[at] ^= 0x80
        path.write_bytes(changed)
        with pytest.raises(BundleError, match="SHA-256"):
            bundle.graph_bytes("fp32", "fusion")


@pytest.mark.parametrize("keep", [0, 1, 100, 1000])
def test_truncated_files_are_refused(bundle_copy: Path, keep: int) -> None:
    for name in ("temporal.onnx", MANIFEST_NAME):
        path = bundle_copy / name
        path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BundleError):
        Bundle.open(bundle_copy).verify()


def test_a_missing_bundle_or_file_is_named(bundle_copy: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="same-export"):
        Bundle.open(tmp_path / "nowhere.same")
    (bundle_copy / "visual.onnx").unlink()
    with pytest.raises(BundleError, match="visual.onnx: missing"):
        Bundle.open(bundle_copy).verify()


def test_swapped_graphs_are_refused_even_when_signed(bundle_copy: Path) -> None:
    def swap(content: dict[str, Any]) -> None:
        graphs = content["graphs"]["fp32"]
        for key in ("path", "sha256", "budget"):
            graphs["fusion"][key], graphs["temporal"][key] = (
                graphs["temporal"][key],
                graphs["fusion"][key],
            )

    rewrite_manifest(bundle_copy, swap)
    with pytest.raises(BundleError, match="inputs are not the manifest's"):
        open_engine(Bundle.open(bundle_copy))


def test_wrong_shapes_are_refused_even_when_signed(bundle_copy: Path) -> None:
    def widen(content: dict[str, Any]) -> None:
        content["graphs"]["fp32"]["visual"]["inputs"][0]["shape"][-1] += 4

    rewrite_manifest(bundle_copy, widen)
    with pytest.raises(BundleError, match="inputs are not the manifest's"):
        open_engine(Bundle.open(bundle_copy))


def budget(content: dict[str, Any]) -> dict[str, Any]:
    budget: dict[str, Any] = content["graphs"]["fp32"]["visual"]["budget"]
    return budget


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 0


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("unknown fields", lambda c: c.update(extra=1)),
        ("missing fields", lambda c: c.pop("preset")),
        ("format_version", lambda c: c.update(format_version=99)),
        ("leaves the bundle", lambda c: c["graphs"]["fp32"]["visual"].update(path="../x.onnx")),
        ("leaves the bundle", lambda c: c["graphs"]["fp32"]["visual"].update(path="/etc/passwd")),
        ("stages", lambda c: c["graphs"]["fp32"].pop("fusion")),
        ("lists no graphs", lambda c: c.update(graphs={})),
        ("positive integers", lambda c: first_input(c).update(shape=[-1])),
        ("positive integers", lambda c: first_input(c).update(dtype="object")),
        ("wrong type", lambda c: c.update(graphs=7)),
        ("budget.nodes", lambda c: budget(c).update(nodes=10**400)),
        ("budget.file_bytes", lambda c: budget(c).update(file_bytes="1")),
        ("budget.memory_bytes", lambda c: budget(c).update(memory_bytes=1 << 40)),
        ("missing.*|unknown fields", lambda c: budget(c).update(extra=1)),
        ("memory_bytes together", lambda c: budget(c).update(memory_bytes=192 << 20)),
        ("larger than", lambda c: budget(c).update(file_bytes=100)),
        ("format_version 1 to 3, got True", lambda c: c.update(format_version=True)),
        ("preset: expected str", lambda c: c.update(preset=7)),
        ("rig: expected dict", lambda c: c.update(rig=[1])),
        ("tools: expected text", lambda c: c["tools"].update(python=3)),
        ("parity: expected dict", lambda c: c.update(parity=0)),
        ("checkpoint_sha256: expected str", lambda c: c.update(checkpoint_sha256=None)),
        ("joint_names: expected list", lambda c: c.update(joint_names=dict.fromkeys("ab"))),
        ("trained_steps", lambda c: c.update(trained_steps=0)),
        ("parity.x: an integer beyond 64 bits", lambda c: c.update(parity={"x": 1 << 63})),
        ("nested too deep", lambda c: c["rig"].update(x=nested(64))),
        ("more values", lambda c: c["rig"].update(x=[0] * 100_000)),
    ],
)
def test_bad_manifests_are_refused_with_the_reason(
    bundle_copy: Path, name: str, change: Callable[[dict[str, Any]], None]
) -> None:
    rewrite_manifest(bundle_copy, change)
    with pytest.raises(BundleError, match=name):
        Bundle.open(bundle_copy).verify()


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"preset": "tiny"', '"preset": "other", "preset": "tiny"'),
        ('"parity": {', '"parity": {"x": "\\ud800", '),
        ('"parity": {', '"parity": {"x": NaN, '),
    ],
)
def test_what_other_readers_take_for_something_else_is_refused(
    bundle_copy: Path, was: str, becomes: str
) -> None:
    """The hash fits what Python's reader makes of it, were it not as strict."""
    path = bundle_copy / MANIFEST_NAME
    text = path.read_text().replace(was, becomes, 1)
    content = json.loads(text)
    old = content.pop("manifest_sha256")
    with suppress(ValueError):
        text = text.replace(old, canonical_sha256(content))
    path.write_text(text)
    with pytest.raises(BundleError, match="manifest.json: .*(twice|text|NaN)"):
        Bundle.open(bundle_copy)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-le"])
def test_another_encoding_is_refused(bundle_copy: Path, encoding: str) -> None:
    path = bundle_copy / MANIFEST_NAME
    path.write_bytes(path.read_text().encode(encoding))
    with pytest.raises(BundleError, match="not valid JSON"):
        Bundle.open(bundle_copy)


def test_links_are_refused(bundle_copy: Path, tmp_path: Path) -> None:
    path = bundle_copy / "visual.onnx"
    elsewhere = tmp_path / "elsewhere.onnx"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(BundleError, match="a link; .*model hub.*cp -rL"):
        Bundle.open(bundle_copy).graph_bytes("fp32", "visual")


def test_a_bundle_says_how_long_its_stages_were_trained(bundle_copy: Path) -> None:
    rewrite_manifest(bundle_copy, lambda content: content.pop("trained_steps"))
    assert Bundle.open(bundle_copy).manifest.trained_steps == {}, "a bundle from before"
    steps = dict(zip(STAGES, (10, 0, None, 2), strict=True))
    rewrite_manifest(bundle_copy, lambda content: content.update(trained_steps=steps))
    manifest = Bundle.open(bundle_copy).manifest
    assert manifest.trained_steps == steps
    assert parse_manifest(manifest.to_json(), "again") == manifest
    assert say_trained_steps(manifest.trained_steps) == (
        "visual 10 steps, inertial not trained, fusion not recorded, temporal 2 steps"
    )
    assert say_trained_steps({}) == "for how long is not recorded"


@pytest.mark.parametrize("steps", [{"visual": 1}, [1], dict.fromkeys(STAGES, -1), "10"])
def test_steps_that_are_none_are_refused(bundle_copy: Path, steps: object) -> None:
    rewrite_manifest(bundle_copy, lambda content: content.update(trained_steps=steps))
    with pytest.raises(BundleError, match="trained_steps"):
        Bundle.open(bundle_copy)
