#include "onnxruntime/operator.hpp"

#include <array>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "same/deform_attn.hpp"

namespace same::ort {
namespace {

enum Input : size_t { FEATURES, RAYS, ORIGINS, LOCATIONS, WEIGHTS, DEPTH, W1, B1, NUM_INPUTS };
enum Output : size_t { SAMPLED, POSITION, NUM_OUTPUTS };

using Shape = std::vector<int64_t>;

// What ONNX Runtime said.
struct Failed {
  OrtStatus* status;
};

void ok(OrtStatus* status) {
  if (status != nullptr) throw Failed{status};
}

// No exception may pass through ONNX Runtime.
template <typename Body>
OrtStatus* guarded(const OrtApi& api, Body body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const Failed& failed) {
    return failed.status;
  } catch (const std::exception& error) {
    return api.CreateStatus(ORT_FAIL, error.what());
  }
}

// One node of a graph.
class Kernel {
 public:
  Kernel(const OrtApi& api, const OrtKernelInfo* info) : api_(api) {
    int64_t pe_sum = 0;
    ok(api.KernelInfoGetAttribute_int64(info, "num_shell_points", &shell_points_));
    ok(api.KernelInfoGetAttribute_float(info, "delta", &delta_));
    ok(api.KernelInfoGetAttribute_int64(info, "pe_sum", &pe_sum));
    pe_sum_ = pe_sum != 0;
  }

  OrtStatus* run(OrtKernelContext* context) const {
    return guarded(api_, [&] { compute(context); });
  }

 private:
  void compute(OrtKernelContext* context) const {
    std::array<const float*, NUM_INPUTS> data;
    std::array<Shape, NUM_INPUTS> shapes;
    for (size_t i = 0; i < NUM_INPUTS; ++i) {
      const OrtValue* value = nullptr;
      ok(api_.KernelContext_GetInput(context, i, &value));
      shapes[i] = shape_of(value);
      data[i] = data_of(const_cast<OrtValue*>(value));
    }
    const DeformAttnShape shape = checked(shapes);
    const Shape per_head = {shape.views, shape.joints, shape.heads};
    spatial_aware_deform_attn(shape,
                              {data[FEATURES], data[RAYS], data[ORIGINS], data[LOCATIONS],
                               data[WEIGHTS], data[DEPTH], data[W1], data[B1], delta_, pe_sum_},
                              {output(context, SAMPLED, per_head, shape.channels),
                               output(context, POSITION, per_head, shape.hidden)});
  }

  Shape shape_of(const OrtValue* value) const {
    OrtTensorTypeAndShapeInfo* made = nullptr;
    ok(api_.GetTensorTypeAndShape(value, &made));
    const std::unique_ptr<OrtTensorTypeAndShapeInfo, decltype(api_.ReleaseTensorTypeAndShapeInfo)>
        info{made, api_.ReleaseTensorTypeAndShapeInfo};
    size_t rank = 0;
    ok(api_.GetDimensionsCount(made, &rank));
    Shape shape(rank);
    ok(api_.GetDimensions(made, shape.data(), rank));
    return shape;
  }

  float* data_of(OrtValue* value) const {
    void* data = nullptr;
    ok(api_.GetTensorMutableData(value, &data));
    return static_cast<float*>(data);
  }

  float* output(OrtKernelContext* context, size_t index, Shape shape, int last) const {
    shape.push_back(last);
    OrtValue* value = nullptr;
    ok(api_.KernelContext_GetOutput(context, index, shape.data(), shape.size(), &value));
    return data_of(value);
  }

  // What the graph declares is not what the kernel may rely on.
  DeformAttnShape checked(const std::array<Shape, NUM_INPUTS>& s) const {
    const bool ranks = s[FEATURES].size() == 4 && s[WEIGHTS].size() == 4 && s[W1].size() == 2;
    if (!ranks) throw std::invalid_argument("features, weights or w1 of another rank");
    const int64_t views = s[FEATURES][0], height = s[FEATURES][2], width = s[FEATURES][3];
    const int64_t joints = s[WEIGHTS][1], heads = s[WEIGHTS][2], points = s[WEIGHTS][3];
    const int64_t hidden = s[W1][0];
    const bool fit = s[RAYS] == Shape{views, 3, height, width} && s[ORIGINS] == Shape{views, 3} &&
                     s[LOCATIONS] == Shape{views, joints, heads, points, 2} &&
                     s[WEIGHTS][0] == views && s[DEPTH] == Shape{views, joints} &&
                     s[W1][1] == 3 * shell_points_ && s[B1] == Shape{hidden};
    if (!fit) throw std::invalid_argument("inputs whose shapes do not fit each other");
    const auto size = [](int64_t side) { return static_cast<int>(side); };
    return {size(views), size(s[FEATURES][1]), size(height), size(width),        size(joints),
            size(heads), size(points),         size(hidden), size(shell_points_)};
  }

  const OrtApi& api_;
  int64_t shell_points_ = 0;
  float delta_ = 0;
  bool pe_sum_ = false;
};

OrtCustomOp described() {
  OrtCustomOp table{};
  table.version = kApiVersion;
  table.GetName = [](const OrtCustomOp*) { return "SpatialAwareDeformAttn"; };
  table.GetExecutionProviderType = [](const OrtCustomOp*) -> const char* { return nullptr; };
  table.GetInputTypeCount = [](const OrtCustomOp*) { return size_t{NUM_INPUTS}; };
  table.GetOutputTypeCount = [](const OrtCustomOp*) { return size_t{NUM_OUTPUTS}; };
  table.GetInputType = table.GetOutputType = [](const OrtCustomOp*, size_t) {
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  };
  table.GetInputCharacteristic = table.GetOutputCharacteristic = [](const OrtCustomOp*, size_t) {
    return INPUT_OUTPUT_REQUIRED;
  };
  table.GetInputMemoryType = [](const OrtCustomOp*, size_t) { return OrtMemTypeDefault; };
  table.GetStartVersion = table.GetEndVersion = [](const OrtCustomOp*) { return 1; };
  table.CreateKernelV2 = [](const OrtCustomOp*, const OrtApi* api, const OrtKernelInfo* info,
                            void** kernel) -> OrtStatus* {
    return guarded(*api, [&] { *kernel = new Kernel(*api, info); });
  };
  table.KernelComputeV2 = [](void* kernel, OrtKernelContext* context) -> OrtStatus* {
    return static_cast<const Kernel*>(kernel)->run(context);
  };
  table.KernelDestroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
  return table;
}

}  // namespace

OrtStatus* add_operators(const OrtApi& api, OrtSessionOptions* options) {
  static const OrtCustomOp table = described();
  // A session may live as long as the process, and a process may have two ONNX Runtimes.
  static std::mutex mutex;
  static auto& domains = *new std::map<const OrtApi*, OrtCustomOpDomain*>;
  const std::lock_guard locked(mutex);
  return guarded(api, [&] {
    OrtCustomOpDomain*& domain = domains[&api];
    if (domain == nullptr) {
      OrtCustomOpDomain* made = nullptr;
      ok(api.CreateCustomOpDomain("same", &made));
      ok(api.CustomOpDomain_Add(made, &table));
      domain = made;
    }
    ok(api.AddCustomOpDomain(options, domain));
  });
}

}  // namespace same::ort
