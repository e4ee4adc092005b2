"""ONNX Runtime, on any CPU and on NVIDIA GPUs."""
