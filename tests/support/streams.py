"""The made-up stream of frames and device readings."""

from same_bench.measuring.made_up_stream import FRAME_NS, START_NS, made_up_stream

__all__ = ["FRAME_NS", "START_NS", "made_up_stream"]
