#include "bundle/signatures.hpp"

#include <algorithm>
#include <map>

#include "same/body.hpp"
#include "same/devices.hpp"
#include "same/inertial_features.hpp"
#include "same/prediction.hpp"
#include "same/views.hpp"

namespace same {
namespace {

using Shapes = std::map<std::string, std::vector<int64_t>>;

constexpr int kFeatureStride = 4;  // network input pixels per feature-map pixel
const std::string kHalfTensor = "features";

struct StageSignature {
  Shapes inputs, outputs;
};

std::array<StageSignature, kNumStages> stage_signatures(const BundleConfig& config) {
  const int64_t dim = config.feature_dim, window = config.window;
  const int64_t height = config.input_height / kFeatureStride;
  const int64_t width = config.input_width / kFeatureStride;
  const std::vector<int64_t> state = {config.inertial_blocks, kNumDevices, dim};
  const std::vector<int64_t> imu_features = {kNumDevices, kFeatureDim};
  const std::vector<int64_t> joints = {kNumJoints, 3};
  const std::vector<int64_t> window_joints = {
      window, config.uses_imu_filter ? 2 * kNumJoints : kNumJoints, 3};
  const Shapes visual = {{"features", {kNumViews, dim, height, width}},
                         {"joints_2d", {kNumViews, kNumJoints, 2}},
                         {"visibility", {kNumViews, kNumJoints}}};
  const Shapes inertial = {{"joints_imu", joints}, {"imu_tokens", {kNumDevices, dim}}};
  std::array<StageSignature, kNumStages> stages;
  stages[0] = {{{"images", {kNumViews, 1, config.input_height, config.input_width}}}, visual};
  stages[1] = {{{"imu_features", imu_features}, {"lstm_h", state}, {"lstm_c", state}}, inertial};
  stages[1].outputs.insert({{"lstm_h_next", state}, {"lstm_c_next", state}});
  stages[2].inputs = {{"view_valid", {kNumViews}},
                      {"rays", {kNumViews, 3, height, width}},
                      {"origins", {kNumViews, 3}}};
  stages[2].inputs.insert(visual.begin(), visual.end());
  stages[2].inputs.insert(inertial.begin(), inertial.end());
  if (config.depth_mode == DepthMode::Z) stages[2].inputs.insert({"axes", {kNumViews, 3}});
  if (config.reads_upright) stages[2].inputs.insert({"imu_features", imu_features});
  stages[2].outputs = {{"joints_local", joints}, {"joint_confidence", {kNumJoints}}};
  stages[3] = {{{"joints_local", joints},
                {"window_joints", window_joints},
                {"T_anchor_cam", {window, 4, 4}},
                {"time_offset_s", {window}},
                {"window_valid", {window}}},
               {{"joints_anchor", {std::min<int64_t>(window, kVelocityFrames), kNumJoints, 3}},
                {"window_joints_next", window_joints}}};
  if (config.uses_imu_filter) stages[3].inputs.insert({"joints_imu", joints});
  return stages;
}

void check_tensors(const std::vector<TensorSpec>& tensors, const Shapes& expected, int window,
                   const std::string& where) {
  size_t fitting = 0;
  for (const TensorSpec& tensor : tensors) {
    const auto found = expected.find(tensor.name);
    // A temporal stage of an earlier version gives out every row of the window.
    const bool every_row = tensor.name == "joints_anchor" &&
                           tensor.shape == std::vector<int64_t>{window, kNumJoints, 3};
    if (found == expected.end() || (tensor.shape != found->second && !every_row))
      throw BundleError(where + ": '" + tensor.name.substr(0, 64) +
                        "' does not follow from its configuration");
    if (tensor.type != ElementType::FLOAT32 && tensor.name != kHalfTensor)
      throw BundleError(where + ": expected " + tensor.name + " in float32");
    ++fitting;
    for (const TensorSpec& other : tensors)
      if (&other != &tensor && other.name == tensor.name)
        throw BundleError(where + ": '" + tensor.name + "' twice");
  }
  if (fitting != expected.size())
    throw BundleError(where + ": lacks tensors that follow from its configuration");
}

}  // namespace

void check_signatures(const Manifest& manifest, const std::string& where) {
  const auto expected = stage_signatures(manifest.config);
  for (const auto& [precision, graphs] : manifest.graphs) {
    for (int i = 0; i < kNumStages; ++i) {
      const std::string at = where + ": " + precision + " " + kStageNames[i];
      check_tensors(graphs[i].inputs, expected[i].inputs, manifest.config.window, at + " inputs");
      check_tensors(graphs[i].outputs, expected[i].outputs, manifest.config.window,
                    at + " outputs");
    }
  }
}

}  // namespace same
