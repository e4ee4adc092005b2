"""Where poses go: protocols and files that avatars are driven by. See ``docs/outputs.md``."""

from same_runtime.outputs.background import Background
from same_runtime.outputs.bvh import BvhFile
from same_runtime.outputs.foxglove import McapFile
from same_runtime.outputs.glb import GlbFile
from same_runtime.outputs.open_output import open_output
from same_runtime.outputs.osc.vmc import VmcOutput
from same_runtime.outputs.osc.vmt import VmtOutput
from same_runtime.outputs.osc.vrchat import VrchatOutput
from same_runtime.outputs.output import Output
from same_runtime.outputs.rerun_viewer import RerunViewer
from same_runtime.outputs.web.viewer import WebViewer

__all__ = [
    "Background",
    "BvhFile",
    "GlbFile",
    "McapFile",
    "Output",
    "RerunViewer",
    "VmcOutput",
    "VmtOutput",
    "VrchatOutput",
    "WebViewer",
    "open_output",
]
