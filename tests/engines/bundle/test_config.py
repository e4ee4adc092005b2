"""A bundle's settings are typed and checked when it is opened."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from same_engines import Bundle
from same_engines.bundle.manifest import MANIFEST_NAME, canonical_sha256
from same_engines.errors import BundleError


def reopened(tiny_bundle: Path, tmp_path: Path, **changes: Any) -> Bundle:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "copy.same"))
    content = json.loads((folder / MANIFEST_NAME).read_bytes())
    del content["manifest_sha256"]
    for name, value in changes.items():
        if value is None:
            del content["config"][name]
        else:
            content["config"][name] = value
    content["manifest_sha256"] = canonical_sha256(content)
    (folder / MANIFEST_NAME).write_text(json.dumps(content))
    return Bundle.open(folder)


def test_settings_are_plain_values_that_cannot_be_changed(tiny_bundle: Path) -> None:
    manifest = Bundle.open(tiny_bundle).manifest
    config = manifest.config
    assert (config.input_width, config.input_height) == (64, 48)
    assert config.network["input_width"] == 64
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.window = 3  # type: ignore[misc]
    assert json.loads(manifest.to_json()) == json.loads((tiny_bundle / MANIFEST_NAME).read_bytes())


def test_whole_numbers_may_have_a_point(tiny_bundle: Path, tmp_path: Path) -> None:
    config = reopened(tiny_bundle, tmp_path, input_width=64.0, image_mean=1).manifest.config
    assert type(config.input_width) is int and type(config.image_mean) is float


@pytest.mark.parametrize("name", ["column_zoom", "row_zoom"])
def test_a_bundle_from_before_images_were_zoomed_has_none(
    tiny_bundle: Path, tmp_path: Path, name: str
) -> None:
    assert getattr(reopened(tiny_bundle, tmp_path, **{name: 2}).manifest.config, name) == 2.0
    assert getattr(Bundle.open(tiny_bundle).manifest.config, name) == 1.0


def test_a_bundle_from_before_straps_were_told_of_is_not_told(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    assert Bundle.open(tiny_bundle).manifest.config.use_leg_straps
    assert not reopened(tiny_bundle, tmp_path, use_leg_straps=None).manifest.config.use_leg_straps


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("input_width", "64"),
        ("input_width", 0),
        ("input_height", 10**400),
        ("window", True),
        ("window", None),
        ("image_mean", 10**400),
        ("image_std", 0),
        ("image_std", -0.25),
        ("depth_mode", "disparity"),
        ("depth_mode", ["z"]),
        ("column_zoom", 0.5),
        ("column_zoom", 5),
        ("column_zoom", "2"),
        ("row_zoom", 0.5),
        ("row_zoom", "2"),
        ("use_leg_straps", 1),
    ],
    ids=str,
)
def test_wrong_settings_are_named_at_open(
    tiny_bundle: Path, tmp_path: Path, field: str, value: Any
) -> None:
    with pytest.raises(BundleError, match=f"manifest.json: config.*{field}"):
        reopened(tiny_bundle, tmp_path, **{field: value})
