"""Protocols over OSC: VMC, VRChat, VMT."""
