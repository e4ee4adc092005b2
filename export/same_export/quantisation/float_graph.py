"""A stage graph ready to be quantised: plain operators, known shapes, named nodes."""

import onnx
import onnx.inliner
import onnx_ir as ir
import onnxscript.optimizer

from same_engines.errors import ExportError


def folded(content: bytes, where: str) -> ir.Model:
    """The stage graph with its functions inlined and its shapes folded; every node has a name.

    ``content``: a verified ONNX graph; ``where`` names it in errors. Raises ``ExportError`` when
    it cannot be read.
    """
    try:
        proto = onnx.load_from_string(content)
        if proto.functions:
            proto = onnx.inliner.inline_local_functions(proto)
        optimised = onnxscript.optimizer.optimize(proto, onnx_shape_inference=True)
        model = with_shapes(ir.from_proto(optimised))
    except Exception as error:  # the libraries raise many kinds; all mean a bad graph
        raise ExportError(f"{where}: cannot be prepared for quantising: {error}") from None
    for index, node in enumerate(model.graph):
        node.name = node.name or f"{node.op_type}_{index}"
    return model


def with_shapes(model: ir.Model) -> ir.Model:
    """``model`` with the shapes of all its tensors written down."""
    proto = ir.to_proto(model)
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto, data_prop=True))
