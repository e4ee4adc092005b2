"""Keep libraries from telling their makers what runs here: nothing is sent unasked.

ONNX Runtime's Linux builds hold a telemetry client that starts when the library is imported.
Importing this module first turns it off; whoever wants it sets ``ORT_DISABLE_TELEMETRY=0``.
"""

import os
import sys

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if os.environ["ORT_DISABLE_TELEMETRY"] == "1" and "onnxruntime" in sys.modules:
    # The application imported it before this package: at least no events from here on.
    getattr(sys.modules["onnxruntime"], "disable_telemetry_events", lambda: None)()
