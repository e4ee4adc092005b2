"""Real-time full-body tracking for VR headsets."""
