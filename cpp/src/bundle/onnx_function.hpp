// The one function that a bundle's graph may carry: the project's operator, recognised by what it
// computes.
#pragma once

#include "bundle/onnx_wire.hpp"

namespace same::onnx {

// Throws Refused unless a FunctionProto is the project's operator.
void check_function(const Message& function);

}  // namespace same::onnx
