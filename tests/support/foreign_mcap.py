"""MCAP files as other tools write them."""

import base64
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from mcap.writer import Writer
from PIL import Image

from same_runtime.camera import CameraRig

Said = tuple[str, int, int, Any]
"""Topic, log time, publish time, content (bytes as they are, anything else as JSON)."""


def write_mcap(
    path: Path,
    messages: Iterable[Said],
    rig: CameraRig | None = None,
    about: dict[str, str] | None = None,
    encoding: str = "json",
    **options: Any,
) -> Path:
    """``about``: the metadata record, by default a recording's; ``options``: the writer's."""
    if about is None:
        about = {"format_version": "1"}
        if rig is not None:
            about["rig"] = json.dumps(rig.to_dict())
    with path.open("wb") as file:
        writer = Writer(file, **options)
        writer.start()
        if about:
            writer.add_metadata("same.recording", about)
        schema = writer.register_schema("any", "jsonschema", b"{}")
        channels: dict[str, int] = {}
        for topic, log_time, publish_time, content in messages:
            if topic not in channels:
                channels[topic] = writer.register_channel(topic, encoding, schema)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            writer.add_message(channels[topic], log_time, data, publish_time)
        writer.finish()
    return path


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The file that Pillow makes of an image."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def image_message(content: bytes) -> dict[str, str]:
    """A message's content around an encoded image."""
    return {"data": base64.b64encode(content).decode(), "format": "png"}


def gradient(width: int = 128, height: int = 96) -> np.ndarray:
    """(height, width) uint8 with every value in it."""
    return np.linspace(0, 255, width * height).round().astype(np.uint8).reshape(height, width)
