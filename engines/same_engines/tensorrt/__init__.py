"""TensorRT and TensorRT-RTX: plans built for one card."""
