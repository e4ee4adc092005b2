// The project's operator as one kernel of ONNX Runtime on a CPU. Without it, ONNX Runtime runs the
// function of standard operators that every graph carries for it.
#pragma once

#include "onnxruntime/onnxruntime_c_api.h"

namespace same::ort {

// Of ONNX Runtime 1.20, which has all that is called; later ones offer it too.
constexpr uint32_t kApiVersion = 20;

// Lets a session have the operator, in float32; its graph may not carry the function then. Null,
// or what ONNX Runtime says against it.
OrtStatus* add_operators(const OrtApi& api, OrtSessionOptions* options);

}  // namespace same::ort
