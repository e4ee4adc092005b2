"""Shared by every engine on an NVIDIA GPU: device, operator kernel, one recorded frame."""
