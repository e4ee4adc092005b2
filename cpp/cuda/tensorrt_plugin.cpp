// same::SpatialAwareDeformAttn as a native TensorRT plugin: for plans used without Python. Load
// it with IPluginRegistry::loadLibrary; it takes plans built with the Python plugin and back.
#include <NvInferPlugin.h>
#include <NvInferRuntime.h>

#include <cstring>
#include <new>

#include "deform_attn.h"

namespace {

namespace trt = nvinfer1;

constexpr char kName[] = "SpatialAwareDeformAttn";
constexpr char kVersion[] = "1";
constexpr char kNamespace[] = "same";

enum Input { kFeatures, kRays, kOrigins, kLocations, kWeights, kDepth, kW1, kB1, kInputs };
constexpr int32_t kOutputs = 2;

struct Fields {
  int32_t num_shell_points = 0;
  float delta = 0.0f;
  int32_t pe_sum = 0;
};

class Plugin final : public trt::IPluginV3,
                     public trt::IPluginV3OneCore,
                     public trt::IPluginV3OneBuild,
                     public trt::IPluginV3OneRuntime {
 public:
  explicit Plugin(const Fields& fields) : fields_(fields) {}

  trt::IPluginCapability* getCapabilityInterface(trt::PluginCapabilityType type) noexcept override {
    switch (type) {
      case trt::PluginCapabilityType::kCORE:
        return static_cast<trt::IPluginV3OneCore*>(this);
      case trt::PluginCapabilityType::kBUILD:
        return static_cast<trt::IPluginV3OneBuild*>(this);
      case trt::PluginCapabilityType::kRUNTIME:
        return static_cast<trt::IPluginV3OneRuntime*>(this);
    }
    return nullptr;
  }

  trt::IPluginV3* clone() noexcept override { return new (std::nothrow) Plugin(*this); }
  trt::IPluginV3* attachToContext(trt::IPluginResourceContext*) noexcept override {
    return clone();
  }

  char const* getPluginName() const noexcept override { return kName; }
  char const* getPluginVersion() const noexcept override { return kVersion; }
  char const* getPluginNamespace() const noexcept override { return kNamespace; }

  int32_t getNbOutputs() const noexcept override { return kOutputs; }

  int32_t getOutputDataTypes(trt::DataType* outputs, int32_t outputs_count,
                             trt::DataType const* inputs,
                             int32_t inputs_count) const noexcept override {
    if (inputs_count != kInputs || outputs_count != kOutputs) return -1;
    outputs[0] = outputs[1] = inputs[kFeatures];
    return 0;
  }

  int32_t getOutputShapes(trt::DimsExprs const* inputs, int32_t inputs_count, trt::DimsExprs const*,
                          int32_t, trt::DimsExprs* outputs, int32_t outputs_count,
                          trt::IExprBuilder&) noexcept override {
    if (inputs_count != kInputs || outputs_count != kOutputs) return -1;
    for (int output = 0; output < kOutputs; ++output) {
      outputs[output].nbDims = 4;
      for (int axis = 0; axis < 3; ++axis) outputs[output].d[axis] = inputs[kWeights].d[axis];
    }
    outputs[0].d[3] = inputs[kFeatures].d[1];
    outputs[1].d[3] = inputs[kW1].d[0];
    return 0;
  }

  bool supportsFormatCombination(int32_t at, trt::DynamicPluginTensorDesc const* tensors, int32_t,
                                 int32_t) noexcept override {
    const trt::PluginTensorDesc& tensor = tensors[at].desc;
    if (tensor.format != trt::TensorFormat::kLINEAR) return false;
    if (at == kRays || at == kOrigins || at == kLocations || at == kDepth)
      return tensor.type == trt::DataType::kFLOAT;
    if (at == kFeatures)
      return tensor.type == trt::DataType::kFLOAT || tensor.type == trt::DataType::kHALF;
    return tensor.type == tensors[kFeatures].desc.type;
  }

  int32_t configurePlugin(trt::DynamicPluginTensorDesc const*, int32_t,
                          trt::DynamicPluginTensorDesc const*, int32_t) noexcept override {
    return 0;
  }

  int32_t onShapeChange(trt::PluginTensorDesc const* inputs, int32_t inputs_count,
                        trt::PluginTensorDesc const*, int32_t) noexcept override {
    if (inputs_count != kInputs) return -1;
    const auto size = [inputs](Input input, int axis) {
      return static_cast<int>(inputs[input].dims.d[axis]);
    };
    shape_.views = size(kFeatures, 0);
    shape_.channels = size(kFeatures, 1);
    shape_.height = size(kFeatures, 2);
    shape_.width = size(kFeatures, 3);
    shape_.joints = size(kLocations, 1);
    shape_.heads = size(kLocations, 2);
    shape_.points = size(kLocations, 3);
    shape_.hidden = size(kW1, 0);
    shape_.shell_points = fields_.num_shell_points;
    shape_.delta = fields_.delta;
    shape_.pe_sum = fields_.pe_sum;
    shape_.half = inputs[kFeatures].type == trt::DataType::kHALF;
    shape_.channels_last = 0;
    return size(kW1, 1) == 3 * fields_.num_shell_points ? 0 : -1;
  }

  int32_t setTactic(int32_t) noexcept override { return 0; }

  int32_t enqueue(trt::PluginTensorDesc const*, trt::PluginTensorDesc const*,
                  void const* const* inputs, void* const* outputs, void*,
                  cudaStream_t stream) noexcept override {
    const SameDeformAttnTensors tensors = {
        inputs[kFeatures], inputs[kRays], inputs[kOrigins], inputs[kLocations], inputs[kWeights],
        inputs[kDepth],    inputs[kW1],   inputs[kB1],      outputs[0],         outputs[1]};
    return same_deform_attn_launch(&shape_, &tensors, stream);
  }

  trt::PluginFieldCollection const* getFieldsToSerialize() noexcept override {
    serialised_[0] = {"num_shell_points", &fields_.num_shell_points, trt::PluginFieldType::kINT32,
                      1};
    serialised_[1] = {"delta", &fields_.delta, trt::PluginFieldType::kFLOAT32, 1};
    serialised_[2] = {"pe_sum", &fields_.pe_sum, trt::PluginFieldType::kINT32, 1};
    collection_ = {3, serialised_};
    return &collection_;
  }

 private:
  Fields fields_;
  SameDeformAttnShape shape_{};
  trt::PluginField serialised_[3];
  trt::PluginFieldCollection collection_{};
};

class Creator final : public trt::IPluginCreatorV3One {
 public:
  trt::IPluginV3* createPlugin(char const*, trt::PluginFieldCollection const* collection,
                               trt::TensorRTPhase) noexcept override {
    Fields fields;
    int found = 0;
    for (int32_t i = 0; i < collection->nbFields; ++i) {
      const trt::PluginField& field = collection->fields[i];
      if (field.data == nullptr || field.length < 1) continue;
      found +=
          read(field, "num_shell_points", trt::PluginFieldType::kINT32, &fields.num_shell_points) ||
          read(field, "delta", trt::PluginFieldType::kFLOAT32, &fields.delta) ||
          read(field, "pe_sum", trt::PluginFieldType::kINT32, &fields.pe_sum);
    }
    if (found != 3 || fields.num_shell_points < 1) return nullptr;
    return new (std::nothrow) Plugin(fields);
  }

  trt::PluginFieldCollection const* getFieldNames() noexcept override {
    static const trt::PluginField names[] = {
        {"num_shell_points", nullptr, trt::PluginFieldType::kINT32, 1},
        {"delta", nullptr, trt::PluginFieldType::kFLOAT32, 1},
        {"pe_sum", nullptr, trt::PluginFieldType::kINT32, 1}};
    static const trt::PluginFieldCollection collection = {3, names};
    return &collection;
  }

  char const* getPluginName() const noexcept override { return kName; }
  char const* getPluginVersion() const noexcept override { return kVersion; }
  char const* getPluginNamespace() const noexcept override { return kNamespace; }

 private:
  template <typename Value>
  static bool read(const trt::PluginField& field, const char* name, trt::PluginFieldType type,
                   Value* value) {
    if (std::strcmp(field.name, name) != 0 || field.type != type) return false;
    std::memcpy(value, field.data, sizeof *value);
    return true;
  }
};

}  // namespace

extern "C" {

// What IPluginRegistry::loadLibrary looks for.
__attribute__((visibility("default"))) trt::IPluginCreatorInterface* const* getCreators(
    int32_t& count) {
  static Creator creator;
  static trt::IPluginCreatorInterface* const creators[] = {&creator};
  count = 1;
  return creators;
}

__attribute__((visibility("default"))) void setLoggerFinder(trt::ILoggerFinder*) {}
}
