// The state of all worn devices at one instant, from one sample ring per device.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "same/devices.hpp"
#include "same/latest_box.hpp"
#include "same/sample_lookup.hpp"

namespace same {

// From each leg sensor as worn to one worn right.
using LegMountings = std::array<Quaternion, kNumLegDevices>;

// Devices that are LookupKind::MISSING hold a default payload.
struct DeviceStates {
  int64_t timestamp_ns = 0;
  std::array<LookupKind, kNumDevices> how{};
  std::array<PoseSample, kNumPoseDevices> poses{};
  std::array<LegSample, kNumLegDevices> legs{};  // as if worn right by `mountings`
  LegMountings mountings{};
  int64_t head_beyond_ns = 0;  // how far beyond its samples the head is
  // Whether the leg sensors read as if worn right. Who measures straps knows; look_up() does not.
  bool straps_measured = false;

  bool has(int device) const { return how[device] != LookupKind::MISSING; }
  const Quaternion& orientation(int device) const {
    return device < kNumPoseDevices ? poses[device].orientation
                                    : legs[device - kNumPoseDevices].orientation;
  }
};

// Each device has its own producer; one consumer looks up. Device indices are not checked here.
//
// Samples stay as the sensors read them: what is looked up across a change of a sensor's mounting
// has the new one alone.
class Synchroniser {
 public:
  // Throws std::invalid_argument for a capacity below 2 or negative limits.
  Synchroniser(size_t capacity, const LookupLimits& limits);

  PushStatus push_pose(int device, int64_t timestamp_ns, const PoseSample& sample) {
    return poses_[device].push(timestamp_ns, sample);
  }
  PushStatus push_leg(int device, int64_t timestamp_ns, const LegSample& sample) {
    return legs_[device - kNumPoseDevices].push(timestamp_ns, sample);
  }

  DeviceStates look_up(int64_t timestamp_ns) const;
  std::optional<int64_t> newest_ns(int device) const;
  uint64_t accepted(int device) const;
  uint64_t refused(int device) const;
  void clear();
  void clear(int device);

  // One thread at a time sets them, any reads them.
  void set_leg_mountings(const LegMountings& mountings) { mountings_.publish(mountings); }
  LegMountings leg_mountings() const;

 private:
  LookupLimits limits_;
  std::array<SampleRing<PoseSample>, kNumPoseDevices> poses_;
  std::array<SampleRing<LegSample>, kNumLegDevices> legs_;
  LatestBox<LegMountings> mountings_;
};

}  // namespace same
