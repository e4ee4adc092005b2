"""What the GPU path is measured with; needs PyTorch."""
