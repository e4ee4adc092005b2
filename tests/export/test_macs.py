"""Multiply-accumulates, counted by hand."""

import pytest

from same_engines.bundle.onnx_operators import OPERATOR_DOMAIN, OPERATOR_NAME

ir = pytest.importorskip("onnx_ir", reason="needs pip install .[export]")

from same_export.macs import multiply_accumulates  # noqa: E402


def value(name: str, *shape: int):
    return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(ir.DataType.FLOAT))


def macs(operator: str, read: list, written, domain: str = "", **attributes: int) -> int:
    node = ir.node(operator, read, attributes=attributes, domain=domain, outputs=[written])
    graph = ir.Graph(read, [written], nodes=[node], opset_imports={"": 20})
    return multiply_accumulates(ir.Model(graph, ir_version=10))


def test_products_of_convolutions_and_matrices() -> None:
    image, kernel = value("x", 2, 3, 8, 10), value("w", 5, 3, 3, 3)
    assert macs("Conv", [image, kernel], value("y", 2, 5, 4, 5)) == 2 * 5 * 4 * 5 * 3 * 3 * 3
    left, right = value("a", 4, 22, 16), value("b", 4, 16, 27)
    assert macs("MatMul", [left, right], value("c", 4, 22, 27)) == 4 * 22 * 16 * 27
    flat, weights = value("f", 7, 6), value("g", 6, 5)
    assert macs("Gemm", [flat, weights], value("h", 7, 5)) == 7 * 6 * 5
    upright, weights = value("t", 6, 7), value("g", 6, 5)
    assert macs("Gemm", [upright, weights], value("h", 7, 5), transA=1) == 7 * 6 * 5


def test_sums_count_and_activations_do_not() -> None:
    assert macs("ReduceSum", [value("x", 3, 4)], value("y", 3)) == 12
    assert macs("Relu", [value("x", 3, 4)], value("y", 3, 4)) == 0


def test_the_own_operator_counts_what_it_samples() -> None:
    views, joints, heads, points, channels, hidden = 2, 22, 4, 8, 64, 32
    at = (views, joints, heads, points)
    read = [
        value("features", views, channels, 30, 40),
        value("rays", views, 3, 30, 40),
        value("origins", views, 3),
        value("locations", *at, 2),
        value("weights", *at),
        value("depth", views, joints),
        value("w1", hidden, 24),
        value("b1", hidden),
    ]
    # Four taps and a weight a channel; four taps an axis of the ray; per hidden unit a product
    # with each of its axes and a weight.
    each = channels * 5 + 3 * 4 + hidden * 4
    written = value("sampled", views, joints, heads, channels)
    assert macs(OPERATOR_NAME, read, written, OPERATOR_DOMAIN) == 2 * 22 * 4 * 8 * each
