"""The NPU inside Snapdragon XR headsets, through ONNX Runtime QNN."""
