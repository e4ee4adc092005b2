// From device states to what the network takes: feature tokens and the window's camera poses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "same/inertial_features.hpp"

namespace same {

// Destinations of one frame, all row-major.
struct AssembledFrame {
  float* imu_features;   // (kNumDevices, kFeatureDim)
  float* T_anchor_cam;   // (window, 4, 4), oldest first
  float* time_offset_s;  // (window)
  float* window_valid;   // (window)
};

// For one thread. Allocates only when built.
class FrameAssembler {
 public:
  // Throws std::invalid_argument for an empty window.
  FrameAssembler(const RigidTransform& T_head_cam_left, double ground_y, size_t window,
                 bool relocalises = false);

  // False, with nothing changed or written, without a head or when time does not advance. When
  // built so, a head that moved as no head can counts as relocalised: all earlier frames are moved
  // along, so that the body keeps its shape and only its place changes.
  bool assemble(int64_t timestamp_ns, const DeviceStates& states, const AssembledFrame& out);

  void reset();

  // Valid once frames() > 0.
  const RigidTransform& T_world_cam_left() const { return newest().T_world_cam_left; }
  const RigidTransform& T_world_anchor() const { return T_world_anchor_; }

  uint64_t relocalisations() const { return relocalisations_; }

  uint64_t frames() const { return frames_; }
  size_t window() const { return history_.size(); }
  double ground_y() const { return ground_y_; }
  void set_ground_y(double ground_y) { ground_y_ = ground_y; }

 private:
  struct CameraPose {
    int64_t timestamp_ns = 0;
    RigidTransform T_world_cam_left;
  };

  void relocalise(const DeviceStates& current);

  const CameraPose& newest() const { return history_[(frames_ - 1) % history_.size()]; }

  RigidTransform T_head_cam_left_;
  double ground_y_;
  bool relocalises_;
  std::vector<CameraPose> history_;
  std::optional<DeviceStates> previous_;
  RigidTransform T_world_anchor_;
  uint64_t frames_ = 0, relocalisations_ = 0;
};

}  // namespace same
