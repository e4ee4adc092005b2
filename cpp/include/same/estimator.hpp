// From one frame to one estimate: the network's inputs, its run, its carried state, the pose.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "same/camera.hpp"
#include "same/engine.hpp"
#include "same/frame_assembler.hpp"
#include "same/image_preprocessor.hpp"
#include "same/image_ring.hpp"
#include "same/network_inputs.hpp"
#include "same/part_times.hpp"
#include "same/plausibility.hpp"
#include "same/prediction.hpp"

namespace same {

// Longest time between two frames that the carried state bridges: the time that a window of the
// training's spans. Beyond it every row that the window holds is older than any training saw.
constexpr int64_t kMaxFrameGapNs = 1'000'000'000;

using StereoImages = std::array<GrayImage, 2>;  // left, right; null pixels where there is none

// Runs an engine on device states and images, frame after frame. For one thread at a time. `engine`
// and `times` must outlive it. Allocates only when built.
class Estimator {
 public:
  // Writes the rig's rays into the engine. Throws std::invalid_argument when the rig's images are
  // smaller than the network's, EngineError for an engine without the tensors of the four stages,
  // or with others of that name.
  Estimator(Engine& engine, const CameraRig& rig, const NetworkInputs& inputs, double ground_y,
            Plausibility::OnHint on_hint, PartTimes& times);

  // The estimate at states.timestamp_ns; none, and nothing changed, without a head. After a gap of
  // more than kMaxFrameGapNs window and recurrent state start anew. `reasons`: why it is not VALID
  // as far as the caller knows. Throws EngineError if the backend fails; the carried state is then
  // torn: forget() it.
  std::optional<Estimate> estimate(const DeviceStates& states, const StereoImages& images,
                                   Reasons reasons, int64_t started_ns);
  // The estimate at the later time of `states`, without images and without a trace in the carried
  // state; none without a head or after too long a gap. Throws EngineError.
  std::optional<Estimate> predict_without_images(const Estimate& base, const DeviceStates& states,
                                                 int64_t started_ns);
  // Drops all that was carried from frame to frame.
  void forget();

  FrameAssembler& assembler() { return assembler_; }
  const FrameAssembler& assembler() const { return assembler_; }

 private:
  bool too_late(const DeviceStates& states) const {
    return states.timestamp_ns - newest_ns_ > kMaxFrameGapNs;
  }
  bool assemble(FrameAssembler& assembler, const DeviceStates& states);
  Reasons run_network(const StereoImages& images);
  Estimate read_out(const FrameAssembler& assembler, const Reasons& reasons, int64_t started_ns);

  Engine& engine_;
  Tensor images_, view_valid_, imu_features_, time_offset_s_, T_anchor_cam_, window_valid_;
  Tensor joints_anchor_, joint_confidence_;
  ImagePreprocessor preprocess_;
  FrameAssembler assembler_, assembler_ahead_;
  Plausibility plausibility_;
  PartTimes& times_;
  int64_t newest_ns_ = 0;
};

}  // namespace same
