// One stage's session and what it reads and writes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "onnxruntime/library.hpp"
#include "same/bundle.hpp"
#include "same/onnxruntime_engine.hpp"

namespace same::ort {

// Memory of each tensor by name.
using Addresses = std::map<std::string, void*>;

class Session {
 public:
  // `content`: a graph that was checked; `threads`: that compute it. Throws BundleError where ONNX
  // Runtime refuses the graph, naming `where`, and EngineError where it lacks the provider.
  Session(const Library& library, const std::string& content, const GraphSpec& spec,
          const std::string& where, int threads, const OnnxRuntimeOptions& options);

  // Binds all tensors to memory that stays where it is; returns the number of the binding.
  size_t bind(const Addresses& addresses);
  // Throws EngineError, naming `stage`.
  void run(size_t binding, const char* stage) const;

 private:
  void check_tensors(const std::vector<TensorSpec>& expected, bool are_inputs,
                     const std::string& where) const;
  void bind_tensor(OrtIoBinding* binding, const TensorSpec& spec, void* data, bool is_input);

  const Library& library_;
  const GraphSpec& spec_;
  Owned<OrtSession> session_{nullptr, nullptr};
  std::vector<Owned<OrtValue>> values_;
  std::vector<Owned<OrtIoBinding>> bindings_;
};

}  // namespace same::ort
