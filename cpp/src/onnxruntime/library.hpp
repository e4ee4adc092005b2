// ONNX Runtime's C API, found in a library that is loaded at run time.
#pragma once

#include <memory>
#include <string>

#include "onnxruntime/onnxruntime_c_api.h"

namespace same::ort {

template <typename T>
using Owned = std::unique_ptr<T, void(ORT_API_CALL*)(T*)>;

class Library {
 public:
  // Loads the library at `path` (UTF-8) and starts it, telemetry off unless the environment says
  // ORT_DISABLE_TELEMETRY=0. Throws EngineError.
  explicit Library(const std::string& path);

  const OrtApi& api() const { return *api_; }
  const OrtEnv& env() const { return *env_; }
  // Empty where the call went well, else what ONNX Runtime said, in one line.
  std::string error_of(OrtStatus* status) const;
  // Throws EngineError: `what`, then what ONNX Runtime said.
  void check(OrtStatus* status, const std::string& what) const;

 private:
  const OrtApi* api_ = nullptr;
  Owned<OrtEnv> env_{nullptr, nullptr};
};

}  // namespace same::ort
