// What a tracker is told of its user, and asked for.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <stdexcept>
#include <string>

#include "same/stamp_errors.hpp"
#include "same/tracker.hpp"
#include "sample_checks.hpp"
#include "tracker_turn.hpp"

namespace same {
namespace {

constexpr int64_t kOneSecondNs = 1'000'000'000;
constexpr int64_t kOneHourNs = 3600 * kOneSecondNs;
constexpr double kMaxGroundM = 1e3;

// In seconds.
std::string tenths(int64_t time_ns) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", 1e-9 * static_cast<double>(time_ns));
  return text;
}

}  // namespace

void Tracker::recentre(bool keep_place) {
  check_open();
  const int64_t asked_ns = now_ns();  // of the application's clock, which may wait for others
  const Turn turn(*this);
  pipeline_.calibration().recentre(recent_states("recentre", {kHead}, asked_ns), keep_place);
}

void Tracker::set_floor(double ground_y) {
  check_open();
  if (!(std::abs(ground_y) <= kMaxGroundM))
    throw std::invalid_argument("ground_y: expected metres within +-1000, got " +
                                std::to_string(ground_y));
  pipeline_.calibration().give_floor(ground_y);
}

double Tracker::floor_from_controller() {
  check_open();
  const int64_t asked_ns = now_ns();
  const Turn turn(*this);
  return pipeline_.calibration().floor_from_controller(recent_states("floor", {1, 2}, asked_ns));
}

void Tracker::start_legs() {
  check_open();
  pipeline_.calibration().start_legs();
}

void Tracker::set_bone_lengths(const BoneLengths& lengths) {
  check_open();
  BoneLengths checked = lengths;
  checked[0] = 0.0;
  for (size_t joint = 1; joint < checked.size(); ++joint)
    if (!(checked[joint] >= kShortestBoneM && checked[joint] <= kLongestBoneM))
      throw std::invalid_argument("lengths: expected 0.01..1 m, got " +
                                  std::to_string(checked[joint]) + " of " + kJointNames[joint]);
  pipeline_.calibration().give_bone_lengths(checked);
}

void Tracker::forget_user() {
  check_open();
  pipeline_.calibration().forget_user();
}

void Tracker::set_leg_straps(const LegStraps& straps) {
  check_open();
  const double height_m = straps.head_height_m;
  if (!(height_m >= kLowestHeadM && height_m <= kHighestHeadM))
    throw std::invalid_argument("head_height: expected 0.4..2.5 m, got " +
                                std::to_string(height_m));
  LegStraps good = straps;
  for (Quaternion& mounting : good.mountings) mounting = checked_unit("mountings", mounting);
  pipeline_.calibration().give_leg_straps(good);
}

void Tracker::reference_space_changed(int64_t timestamp_ns, const PoseSample& origin,
                                      bool legs_too) {
  check_open();
  check_timestamp("timestamp_ns", timestamp_ns);
  const PoseSample good = checked(origin);
  const double lean_rad = std::acos(std::clamp(upwards(good.orientation), -1.0, 1.0));
  if (lean_rad > kMostLeanRad)
    throw std::invalid_argument(
        "orientation_xyzw: expected a turn about y, as both spaces stand upright, got one that "
        "leans " +
        std::to_string(lean_rad * 180.0 / std::numbers::pi) + " degrees");
  if (const int64_t known_ns = now_ns(); known_ns > 0)
    check_same_clock("timestamp_ns", timestamp_ns, "now", known_ns, kOneHourNs);
  if (!ingestion_.change_space(timestamp_ns, good, legs_too))
    throw TimestampError("timestamp_ns: " + std::to_string(timestamp_ns) +
                         " ns is before the last change of the reference space; tell changes in "
                         "the order of their times");
}

DeviceStates Tracker::recent_states(const char* asked, std::initializer_list<int> devices,
                                    int64_t now_ns) const {
  std::optional<int64_t> newest_ns;
  std::string names;
  for (const int device : devices) {
    const auto time_ns = synchroniser_.newest_ns(device);
    if (time_ns && (!newest_ns || *time_ns > *newest_ns)) newest_ns = time_ns;
    names += (names.empty() ? "" : " or ") + std::string(kDeviceNames[device]);
  }
  if (!newest_ns)
    throw std::invalid_argument(std::string(asked) + ": " + names + " is not tracked");
  const int64_t age_ns = now_ns - *newest_ns;
  if (age_ns > kOneSecondNs)
    throw std::invalid_argument(std::string(asked) + ": " + names + " is not tracked; last seen " +
                                tenths(age_ns) + " s ago");
  return synchroniser_.look_up(*newest_ns);
}

}  // namespace same
