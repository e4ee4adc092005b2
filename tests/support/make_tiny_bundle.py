"""Write the bundle that the runtime's tests open, tests/fixtures/tiny.same; needs PyTorch:

python tests/support/make_tiny_bundle.py
"""

import logging
from pathlib import Path

from small_rig import make_small_rig
from tiny_model import smallest_model

from same_export.write_bundle import write_bundle

TINY_BUNDLE = Path(__file__).resolve().parents[1] / "fixtures" / "tiny.same"


def main() -> None:
    """Write it in the place of the old one."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    write_bundle(smallest_model(), "0" * 64, make_small_rig(), TINY_BUNDLE)
    size = sum(file.stat().st_size for file in TINY_BUNDLE.iterdir())
    print(f"wrote {TINY_BUNDLE}: {size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
