#include "same/mount_watch.hpp"

#include <algorithm>
#include <cmath>

#include "same/floor_anchor.hpp"
#include "same/quantile.hpp"

namespace same {
namespace {

constexpr Vec3 kUp{0, 1, 0};
// Of the head's height in the calibration's stand: higher, the legs are straight, and near enough
// upright.
constexpr double kStandingShare = 0.97;
// Nobody stands still so much higher: a profile's height was taken over another floor.
constexpr double kTallestShare = 1.1;
constexpr int64_t kStillForNs = 400'000'000, kTakeEveryNs = 100'000'000;
constexpr double kDegree = std::numbers::pi / 180.0;
constexpr double kStillRad = 8.0 * kDegree;
// Share of the samples, seconds times ten of standing still, that must agree.
constexpr double kAgree = 0.9;
// Of 26 recordings, standing still: the shin's tilt stays within 8 degrees of its own median, a
// head looks up to 73 degrees aside.
constexpr double kTilted = 25.0 * kDegree, kTiltedNoMore = 15.0 * kDegree;
constexpr double kTurned = 90.0 * kDegree, kTurnedNoMore = 60.0 * kDegree;

}  // namespace

template <size_t capacity>
bool MountWatch::mostly_above(const RecentValues<double, capacity>& samples, double limit) {
  if (samples.size() < capacity) return false;
  std::array<double, capacity> values;
  for (size_t i = 0; i < capacity; ++i) values[i] = samples[i];
  return quantile(values, 1.0 - kAgree) > limit;
}

template <size_t capacity>
bool MountWatch::mostly_below(const RecentValues<double, capacity>& samples, double limit) {
  std::array<double, kTiltSamples> values;
  const size_t count = std::min(samples.size(), values.size());
  for (size_t i = 0; i < count; ++i) values[i] = samples[samples.size() - count + i];
  return quantile(std::span(values).first(count), kAgree) < limit;
}

void MountWatch::update(const DeviceStates& states, double head_share) {
  const int device = kNumPoseDevices + leg_;
  if (!states.has(device)) {
    recent_.clear();
    return;
  }
  const int64_t now_ns = states.timestamp_ns;
  const Quaternion& sensor = states.orientation(device);
  const bool stands = kStandingShare <= head_share && head_share <= kTallestShare;
  if (!is_still(now_ns, sensor) || !stands) return;
  const int64_t early_ns = due_ns_ - now_ns;
  if (0 < early_ns && early_ns <= kTakeEveryNs) return;
  const bool on_time = -kTakeEveryNs < early_ns && early_ns <= 0;
  due_ns_ = (on_time ? due_ns_ : now_ns) + kTakeEveryNs;
  judge(states.poses[kHead], sensor);
}

// Whether the sensor has been still for long enough, with this sample.
bool MountWatch::is_still(int64_t now_ns, const Quaternion& sensor) {
  static const double still_cos_half = std::cos(0.5 * kStillRad);
  if (!recent_.empty()) {
    const int64_t gap_ns = now_ns - recent_[recent_.size() - 1].timestamp_ns;
    if (!(0 < gap_ns && gap_ns < kStillForNs)) recent_.clear();
  }
  recent_.add({now_ns, sensor});
  while (now_ns - recent_[0].timestamp_ns > kStillForNs + kTakeEveryNs) recent_.take(0);
  const Turned& then = recent_[0];
  return now_ns - then.timestamp_ns >= kStillForNs &&
         std::abs(dot(sensor, then.orientation)) >= still_cos_half;
}

void MountWatch::judge(const PoseSample& head, const Quaternion& sensor) {
  const Quaternion expected =
      rotation_about(kUp, yaw_of(head)) * rotation_about(kUp, kOutwardRad[leg_]);
  const Quaternion off = sensor * conjugate(expected);  // in the world
  tilts_.add(std::acos(std::clamp(rotate(off, kUp)[1], -1.0, 1.0)));
  turns_.add(2.0 * std::atan2(std::abs(off.y), std::abs(off.w)));
  if (changed_)
    changed_ = !(mostly_below(tilts_, kTiltedNoMore) && mostly_below(turns_, kTurnedNoMore));
  else
    changed_ = mostly_above(tilts_, kTilted) || mostly_above(turns_, kTurned);
}

}  // namespace same
