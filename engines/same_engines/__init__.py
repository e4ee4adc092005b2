"""Engines: open a bundle and run its stage graphs on a backend. No PyTorch."""

from same_engines.bundle.manifest import GraphSpec, Manifest, TensorSpec
from same_engines.bundle.reader import Bundle
from same_engines.engine import Engine
from same_engines.engine_wrapper import EngineWrapper
from same_engines.onnxruntime import quiet  # noqa: F401 - before onnxruntime is imported
from same_engines.open_engine import BACKENDS, open_engine

__all__ = [
    "BACKENDS",
    "Bundle",
    "Engine",
    "EngineWrapper",
    "GraphSpec",
    "Manifest",
    "TensorSpec",
    "open_engine",
]
