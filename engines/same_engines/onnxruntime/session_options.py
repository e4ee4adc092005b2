"""The options that every session on a bundle's graph has."""

from typing import Final

import onnxruntime as ort

_ONNX_ERRORS_ONLY: Final = 3


def open_session(content: bytes, options: ort.SessionOptions) -> ort.InferenceSession:
    """A session on the CPU that does not keep ``content`` beside what it has made of it."""
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    session._model_bytes = None  # for opening it again with other providers, which nobody does
    return session


def session_options() -> ort.SessionOptions:
    """Errors only in the log, and a graph whose tensors have other shapes than it declares is
    refused: what was checked is what runs."""
    options = ort.SessionOptions()
    options.log_severity_level = _ONNX_ERRORS_ONLY
    options.add_session_config_entry("session.strict_shape_type_inference", "1")
    return options
