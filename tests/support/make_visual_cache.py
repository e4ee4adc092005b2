"""Asks for the visual cache of a sequence; test_visual_cache.py starts several at once.

Arguments: the sequence, the cache's folder, the number of processes. Each waits until all are
there, and prints whether it ``made`` the cache or ``found`` it.
"""

import os
import sys
import time
from pathlib import Path

from tiny_model import TINY, tiny_model

from same_model.data.sequence import open_sequence
from same_model.training.data.dataset import load_frames, load_images
from same_model.training.data.visual_cache import cached_visual

sequence, root, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
sequences = [open_sequence(sequence)]
frames = load_frames(sequences, TINY, False, "")
model = tiny_model()
told = "found"


def images():
    global told
    told = "made"
    time.sleep(0.5)  # the others come meanwhile
    return load_images(sequences, TINY)


ready = root.parent / "ready"
ready.mkdir(exist_ok=True)
(ready / str(os.getpid())).touch()
while len(list(ready.iterdir())) < count:
    time.sleep(0.01)
cache = cached_visual(model, frames, sequences, images, root, "test")
assert len(cache.features) == len(frames)
print(told)
