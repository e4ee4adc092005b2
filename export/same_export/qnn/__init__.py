"""Quantise and compile a bundle for the NPU inside a headset."""
