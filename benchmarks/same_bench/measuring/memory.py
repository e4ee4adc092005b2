"""Memory that each frame takes, found after the timed run because looking slows a process down."""

import gc
import itertools
import sys
import tracemalloc
from typing import Any

from same_bench.measuring.clip import Clip
from same_bench.measuring.machine import gpu_facts, peak_rss_mib
from same_bench.measuring.probe import ProbedTracker

_FRAMES = 64
_WARM_UP = 256
_KEPT_FRAMES = 512


def frame_memory(tracker: ProbedTracker, clip: Clip) -> dict[str, Any]:
    """Python and NumPy memory of one ``push``, over many frames; the tracker is reset first,
    and has tracked 256 when they begin: what Python keeps once for all calls is no frame's.

    ``allocated_bytes_per_frame``: most that is held at once within a push beyond what was held
    before (mean). ``blocks_kept_per_frame``: memory blocks still there afterwards; 0 does not
    grow. ``peak_rss_mib``: of this process, the clip's decoded images and peers included.
    """
    # Each is dropped before the next one: what Python adds to a sample that is read is not kept.
    stamped = (clip.sample(i, (i + 1) * clip.period_ns) for i in itertools.count())
    tracker.reset()
    for sample in itertools.islice(stamped, _WARM_UP):
        tracker.push(*sample)
    gc.collect()
    blocks = sys.getallocatedblocks()
    for sample in itertools.islice(stamped, _KEPT_FRAMES):
        tracker.push(*sample)
    gc.collect()
    kept = (sys.getallocatedblocks() - blocks) / _KEPT_FRAMES
    tracemalloc.start()
    peak = 0
    for sample in itertools.islice(stamped, _FRAMES):
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        tracker.push(*sample)
        peak += tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    gpus = gpu_facts()
    return {
        "allocated_bytes_per_frame": peak / _FRAMES,
        "blocks_kept_per_frame": kept,
        "peak_rss_mib": peak_rss_mib(),
        "gpu_used_mib": [gpu["used_mib"] for gpu in gpus],
    }
