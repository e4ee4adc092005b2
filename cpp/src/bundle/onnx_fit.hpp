// Whether a node's inputs, outputs and attributes fit together, by their declared shapes.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "bundle/onnx_operators.hpp"
#include "bundle/onnx_tensors.hpp"

namespace same::onnx {

// As same_engines/bundle/onnx_fit.py. `read`: shapes of the inputs, null for one that is left out.
// Throws Refused.
void check_fit(const OperatorRule& rule, const Integers& attributes,
               std::span<const Shape* const> read, std::span<const Shape* const> written);

}  // namespace same::onnx
