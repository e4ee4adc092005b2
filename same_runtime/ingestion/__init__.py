"""How samples arrive: input methods, timestamps, clocks, stereo pairs."""
