// From device states to what the network takes: feature tokens and the window's camera poses.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "same/head_motion.hpp"
#include "same/inertial_features.hpp"
#include "same/leg_headings.hpp"

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

  // As built, but that the sensors on the legs face where they faced.
  void reset();

  // Valid once frames() > 0.
  const RigidTransform& T_world_cam_left() const { return newest().T_world_cam_left; }
  const RigidTransform& T_world_anchor() const { return T_world_anchor_; }
  // The devices at the newest frame, the legs in the head's world.
  const DeviceStates& states() const { return *previous_; }

  const std::optional<HeadMotion>& head_motion() const { return head_motion_; }
  const LegHeadings& leg_headings() const { return leg_headings_; }
  uint64_t relocalisations() const { return relocalisations_; }

  uint64_t frames() const { return frames_; }
  size_t window() const { return history_.size(); }
  double ground_y() const { return ground_y_; }
  void set_ground_y(double ground_y) { ground_y_ = ground_y; }

 private:
  struct Past {
    int64_t timestamp_ns = 0;
    RigidTransform T_world_cam_left;
    LegHeadings::Readings legs;
  };

  // Moves all earlier frames, and the legs of `current`, into the world of its head. `legs`: as
  // read; `turned`: whether that world was turned, and not merely moved.
  void relocalise(DeviceStates& current, const LegHeadings::Readings& legs, bool turned);
  // Reads the legs of all earlier frames as with other mountings.
  void remount(const LegMountings& mountings);
  // Which leg sensors turned by `yaw` themselves within kTurnsAlongNs.
  std::array<bool, kNumLegDevices> turned_along(const DeviceStates& current,
                                                const LegHeadings::Readings& legs,
                                                double yaw) const;

  size_t held() const { return static_cast<size_t>(std::min<uint64_t>(frames_, history_.size())); }

  // The frame that is so many before the newest.
  const Past& past(size_t frames) const {
    return history_[(frames_ - 1 - frames) % history_.size()];
  }
  const Past& newest() const { return past(0); }

  RigidTransform T_head_cam_left_;
  double ground_y_;
  bool relocalises_;
  std::vector<Past> history_;
  std::optional<DeviceStates> previous_;  // its legs in the head's world
  std::optional<HeadMotion> head_motion_;
  LegHeadings leg_headings_;
  RigidTransform T_world_anchor_;
  uint64_t frames_ = 0, relocalisations_ = 0;
};

}  // namespace same
