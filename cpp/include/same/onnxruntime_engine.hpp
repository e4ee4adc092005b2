// An engine on ONNX Runtime (1.20 or later), whose library is loaded when it is opened and never
// linked: the one inside the Python wheel (onnxruntime/capi) or one that the app brings.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "same/bundle.hpp"
#include "same/engine.hpp"

namespace same {

constexpr int kMostThreads = 64;

struct OnnxRuntimeOptions {
  // Path (UTF-8) of libonnxruntime.so.*, libonnxruntime.dylib or onnxruntime.dll.
  std::string library;
  std::string precision = "fp32";  // which graphs: "fp32", "fp16" or "int8"
  int threads = 2;                 // of the visual stage; the small ones get one each
  std::string provider = "cpu";    // "cpu", "cuda", "qnn" or "xnnpack"
  // Of the provider, as ONNX Runtime names them; none for the CPU's.
  std::vector<std::pair<std::string, std::string>> provider_options;
};

// Verifies each graph, opens a session from the very bytes that were checked and binds all buffers
// once. A loaded library stays in the process. Host tensors are float32: `host_output` of a tensor
// that the bundle holds in half precision throws EngineError. Throws BundleError for a bad bundle,
// EngineError for a library, provider or option that cannot be had.
std::unique_ptr<Engine> open_onnxruntime_engine(const Bundle& bundle,
                                                const OnnxRuntimeOptions& options);

}  // namespace same
