#include "onnxruntime/session.hpp"

#include <algorithm>

#include "bundle/onnx_wire.hpp"
#include "onnxruntime/operator.hpp"

namespace same::ort {
namespace {

// As same_engines/onnxruntime/engine.py: longer than between two layers, shorter than between two
// frames.
constexpr const char* kSpinUs = "300";
constexpr int kErrorsOnly = 3;

ONNXTensorElementDataType element_type(const TensorSpec& spec) {
  return spec.type == ElementType::FLOAT16 ? ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16
                                           : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

size_t byte_size(const TensorSpec& spec) {
  return static_cast<size_t>(spec.elements()) * (spec.type == ElementType::FLOAT16 ? 2 : 4);
}

void append_cuda(const Library& library, OrtSessionOptions* into,
                 const std::vector<const char*>& keys, const std::vector<const char*>& values) {
  const OrtApi& api = library.api();
  OrtCUDAProviderOptionsV2* made = nullptr;
  library.check(api.CreateCUDAProviderOptions(&made), "provider cuda");
  const Owned<OrtCUDAProviderOptionsV2> cuda{made, api.ReleaseCUDAProviderOptions};
  if (!keys.empty())
    library.check(api.UpdateCUDAProviderOptions(made, keys.data(), values.data(), keys.size()),
                  "provider_options");
  library.check(api.SessionOptionsAppendExecutionProvider_CUDA_V2(into, made), "provider cuda");
}

void append_provider(const Library& library, OrtSessionOptions* into,
                     const OnnxRuntimeOptions& options) {
  std::vector<const char*> keys, values;
  for (const auto& [key, value] : options.provider_options) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  if (options.provider == "cpu") {
    if (!keys.empty()) throw EngineError("provider_options: the provider cpu has none");
  } else if (options.provider == "cuda") {
    append_cuda(library, into, keys, values);
  } else if (options.provider == "qnn" || options.provider == "xnnpack") {
    const char* name = options.provider == "qnn" ? "QNN" : "XNNPACK";
    library.check(library.api().SessionOptionsAppendExecutionProvider(into, name, keys.data(),
                                                                      values.data(), keys.size()),
                  "provider " + options.provider);
  } else {
    throw EngineError("provider: expected cpu, cuda, qnn or xnnpack, got " + options.provider);
  }
}

Owned<OrtSessionOptions> session_options(const Library& library, int threads,
                                         const OnnxRuntimeOptions& options) {
  const OrtApi& api = library.api();
  OrtSessionOptions* made = nullptr;
  library.check(api.CreateSessionOptions(&made), "session options");
  Owned<OrtSessionOptions> owned{made, api.ReleaseSessionOptions};
  const auto set = [&](OrtStatus* status) { library.check(status, "session options"); };
  set(api.SetSessionLogSeverityLevel(made, kErrorsOnly));
  // A graph whose tensors have other shapes than it declares is refused: what was checked is what
  // runs.
  set(api.AddSessionConfigEntry(made, "session.strict_shape_type_inference", "1"));
  set(api.AddSessionConfigEntry(made, "session.intra_op.spin_duration_us", kSpinUs));
  set(api.SetIntraOpNumThreads(made, threads));
  set(api.SetInterOpNumThreads(made, 1));
  append_provider(library, made, options);
  return owned;
}

// Whether the operator's kernel can stand for the function that the graph carries.
bool takes_operator(const GraphSpec& spec, const OnnxRuntimeOptions& options) {
  const auto is_float = [](const TensorSpec& tensor) {
    return tensor.type == ElementType::FLOAT32;
  };
  return options.provider == "cpu" &&
         std::all_of(spec.inputs.begin(), spec.inputs.end(), is_float) &&
         std::all_of(spec.outputs.begin(), spec.outputs.end(), is_float);
}

}  // namespace

Session::Session(const Library& library, const std::string& content, const GraphSpec& spec,
                 const std::string& where, int threads, const OnnxRuntimeOptions& options)
    : library_(library), spec_(spec) {
  const OrtApi& api = library.api();
  const auto settings = session_options(library, threads, options);
  std::string_view graph = content;
  if (takes_operator(spec, options)) graph = onnx::without_functions(content);
  if (graph.size() < content.size()) library.check(add_operators(api, settings.get()), "operators");
  OrtSession* made = nullptr;
  const std::string said = library.error_of(api.CreateSessionFromArray(
      &library.env(), graph.data(), graph.size(), settings.get(), &made));
  if (!said.empty()) throw BundleError(where + ": ONNX Runtime refuses it: " + said);
  session_ = {made, api.ReleaseSession};
  check_tensors(spec.inputs, true, where);
  check_tensors(spec.outputs, false, where);
}

void Session::check_tensors(const std::vector<TensorSpec>& expected, bool are_inputs,
                            const std::string& where) const {
  const OrtApi& api = library_.api();
  const auto ok = [&](OrtStatus* status) { library_.check(status, where); };
  OrtAllocator* allocator = nullptr;
  ok(api.GetAllocatorWithDefaultOptions(&allocator));
  size_t count = 0;
  ok((are_inputs ? api.SessionGetInputCount : api.SessionGetOutputCount)(session_.get(), &count));
  bool fits = count == expected.size();
  for (size_t i = 0; i < count && fits; ++i) {
    char* text = nullptr;
    ok((are_inputs ? api.SessionGetInputName : api.SessionGetOutputName)(session_.get(), i,
                                                                         allocator, &text));
    const std::string name = text;
    ok(api.AllocatorFree(allocator, text));
    OrtTypeInfo* made = nullptr;
    ok((are_inputs ? api.SessionGetInputTypeInfo : api.SessionGetOutputTypeInfo)(session_.get(), i,
                                                                                 &made));
    const Owned<OrtTypeInfo> info{made, api.ReleaseTypeInfo};
    const OrtTensorTypeAndShapeInfo* tensor = nullptr;
    ok(api.CastTypeInfoToTensorInfo(made, &tensor));
    const auto spec = std::find_if(expected.begin(), expected.end(),
                                   [&](const TensorSpec& known) { return known.name == name; });
    fits = tensor != nullptr && spec != expected.end();
    if (!fits) break;
    size_t rank = 0;
    ok(api.GetDimensionsCount(tensor, &rank));
    std::vector<int64_t> shape(rank);
    ok(api.GetDimensions(tensor, shape.data(), rank));
    ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    ok(api.GetTensorElementType(tensor, &type));
    fits = shape == spec->shape && type == element_type(*spec);
  }
  if (!fits)
    throw BundleError(where + ": its " + (are_inputs ? "inputs" : "outputs") +
                      " are not the manifest's");
}

size_t Session::bind(const Addresses& addresses) {
  const OrtApi& api = library_.api();
  OrtIoBinding* made = nullptr;
  library_.check(api.CreateIoBinding(session_.get(), &made), "binding");
  bindings_.emplace_back(made, api.ReleaseIoBinding);
  for (const TensorSpec& spec : spec_.inputs)
    bind_tensor(made, spec, addresses.at(spec.name), true);
  for (const TensorSpec& spec : spec_.outputs)
    bind_tensor(made, spec, addresses.at(spec.name), false);
  return bindings_.size() - 1;
}

void Session::bind_tensor(OrtIoBinding* binding, const TensorSpec& spec, void* data,
                          bool is_input) {
  const OrtApi& api = library_.api();
  OrtMemoryInfo* memory = nullptr;
  library_.check(api.CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory), "binding");
  const Owned<OrtMemoryInfo> owned_memory{memory, api.ReleaseMemoryInfo};
  OrtValue* value = nullptr;
  library_.check(
      api.CreateTensorWithDataAsOrtValue(memory, data, byte_size(spec), spec.shape.data(),
                                         spec.shape.size(), element_type(spec), &value),
      "binding " + spec.name);
  values_.emplace_back(value, api.ReleaseValue);
  library_.check((is_input ? api.BindInput : api.BindOutput)(binding, spec.name.c_str(), value),
                 "binding " + spec.name);
}

void Session::run(size_t binding, const char* stage) const {
  OrtStatus* status =
      library_.api().RunWithBinding(session_.get(), nullptr, bindings_[binding].get());
  if (status != nullptr) library_.check(status, std::string("failed in stage ") + stage);
}

}  // namespace same::ort
