"""`same::SpatialAwareDeformAttn` in ONNX."""
