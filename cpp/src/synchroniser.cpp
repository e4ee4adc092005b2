#include "same/synchroniser.hpp"

#include <stdexcept>

namespace same {
namespace {

// As it is, to the bit, for all whose sensors are worn right.
void wear_right(Quaternion& orientation, const Quaternion& mounting) {
  if (mounting.w != 1.0) orientation = normalised(orientation * mounting);
}

}  // namespace

Synchroniser::Synchroniser(size_t capacity, const LookupLimits& limits)
    : limits_(limits),
      poses_{SampleRing<PoseSample>(capacity), SampleRing<PoseSample>(capacity),
             SampleRing<PoseSample>(capacity)},
      legs_{SampleRing<LegSample>(capacity), SampleRing<LegSample>(capacity)} {
  if (limits.max_gap_ns < 0 || limits.max_extrapolation_ns < 0)
    throw std::invalid_argument("max_gap_ns, max_extrapolation_ns: expected nanoseconds >= 0");
}

DeviceStates Synchroniser::look_up(int64_t timestamp_ns) const {
  DeviceStates states;
  states.timestamp_ns = timestamp_ns;
  states.mountings = leg_mountings();
  for (int i = 0; i < kNumPoseDevices; ++i) {
    const FurthestStep& furthest = i == kHead ? kFurthestOfHead : kFurthestOfHand;
    const auto found = same::look_up(poses_[i], timestamp_ns, limits_,
                                     [&](const PoseSample& a, const PoseSample& b, int64_t gap_ns) {
                                       return !jump_between(furthest, a, b, gap_ns);
                                     });
    states.how[i] = found.how;
    states.poses[i] = found.payload;
    if (i == kHead) states.head_beyond_ns = found.beyond_ns;
  }
  for (int i = 0; i < kNumLegDevices; ++i) {
    const auto found = same::look_up(legs_[i], timestamp_ns, limits_);
    states.how[kNumPoseDevices + i] = found.how;
    states.legs[i] = found.payload;
    if (found.how != LookupKind::MISSING)
      wear_right(states.legs[i].orientation, states.mountings[i]);
  }
  return states;
}

std::optional<int64_t> Synchroniser::newest_ns(int device) const {
  return device < kNumPoseDevices ? poses_[device].newest_ns()
                                  : legs_[device - kNumPoseDevices].newest_ns();
}

uint64_t Synchroniser::accepted(int device) const {
  return device < kNumPoseDevices ? poses_[device].accepted()
                                  : legs_[device - kNumPoseDevices].accepted();
}

uint64_t Synchroniser::refused(int device) const {
  return device < kNumPoseDevices ? poses_[device].refused()
                                  : legs_[device - kNumPoseDevices].refused();
}

LegMountings Synchroniser::leg_mountings() const {
  LegMountings mountings;
  mountings_.read(mountings);
  return mountings;
}

void Synchroniser::clear() {
  for (auto& ring : poses_) ring.clear();
  for (auto& ring : legs_) ring.clear();
}

void Synchroniser::clear(int device) {
  if (device < kNumPoseDevices)
    poses_[device].clear();
  else
    legs_[device - kNumPoseDevices].clear();
}

}  // namespace same
