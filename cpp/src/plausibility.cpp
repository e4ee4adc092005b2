#include "same/plausibility.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numbers>
#include <numeric>
#include <utility>

#include "same/bone_lengths.hpp"
#include "same/cell_statistics.hpp"

namespace same {
namespace {

// Every limit: what real recordings reach (130 + 150 motion capture clips with crawling, rolls,
// cartwheels and climbing; 350 s of three headset sessions; 19 s of leg IMUs), and what the mistake
// gives.

// Grey levels between cells; lit rooms 34, black 0. With 4.9 images help still, with 2.4 they harm:
// 65 and 107 mm against 72 without images.
constexpr double kFlatContrast = 4.0;
// Means over so many rows and columns of cells leave the pixels' noise out of the contrast.
constexpr int kCellRows = 24, kCellColumns = 32;
// Mean grey level from which a flat image is saturated; lit rooms 122 at most, all white 255.
constexpr double kBright = 200.0;
constexpr double kWhite = 250.0;
// Share of white cells; lit rooms 0.01. With 0.79 images help still, with 0.88 they harm: 65 and
// 78 mm against 72 without images.
constexpr double kMostly = 0.85;
// Over the floor, metres; clips 0.13 (rolls, lying) to 2.78 (climbing).
constexpr double kLowestHead = -0.3, kHighestHead = 3.0;
constexpr double kCentimetresFrom = 30.0, kMillimetresFrom = 300.0;
constexpr double kFloorLevel = 0.05;
// Upwards part of the head's up axis; no clip has it with the head below 0.2 m.
constexpr double kUpright = 0.85;
constexpr double kLongOnFloorS = 2.0;
// Upside down above 0.9 m; clips 0.8 s (a cartwheel), for ever in wxyz order.
constexpr double kUpsideDown = -0.5, kUpsideDownFrom = 0.9, kLongUpsideDownS = 2.0;
// A shin upside down below a standing head; clips 0.6 s (climbing), for ever in wxyz order.
constexpr double kStanding = 1.2, kLongLegUpS = 2.0;
// Within 3 mm and 0.5 degrees; headsets in use 0.24 s, and 18 mm and 1.9 degrees in any 5 s. Heads
// that rest on a pillow may, so that the cameras are asked too:
constexpr double kStillM = 0.003, kStillDeg = 0.5, kLongStillS = 5.0;
// Mean confidence of the 8 joints seen best; bodies 0.74 and more (dark room, one camera), scenes
// without one 0.67 at most, no images 0.
constexpr int kBodyJoints = 8;
constexpr double kBodySeen = 0.7;
// m/s^2, mean acceleration of a leg; clips 2.5, real leg IMUs 1.7; with gravity left in 8.4.
constexpr double kGravity = 6.0, kGravityMeanS = 2.0;
// m/s^2 that one sample counts for at most, so that kicks and stamps do not make the mean.
constexpr double kStrongest = 15.0;
// Controller to head, metres; sessions and clips 1.03.
constexpr double kReachM = 1.5, kLongOutOfReachS = 0.5;
// Demo 0.46, twice the thigh of the tallest people; poses in wxyz order 1.26, in millimetres 6.
constexpr double kLongestPlausibleBoneM = 1.2;
// Demo: no joint below the floor.
constexpr double kBelowFloorM = 0.3;
constexpr double kLongNoBodyS = 0.5;
// After a longer gap everything that lasts begins anew.
constexpr double kLongestStepS = 0.5;

// Mean confidence of the joints seen best.
double body_seen(std::array<float, kNumJoints> confidence) {
  const auto best = confidence.begin() + kBodyJoints;
  std::nth_element(confidence.begin(), best, confidence.end(), std::greater<>());
  return std::accumulate(confidence.begin(), best, 0.0) / kBodyJoints;
}

}  // namespace

bool Plausibility::Lasting::after(double step_s, bool holds) {
  if (!holds) {
    for_s_.reset();
    return false;
  }
  for_s_ = for_s_ ? *for_s_ + step_s : 0.0;
  return *for_s_ >= long_s_;
}

Plausibility::Lasted::Lasted()
    : still(kLongStillS),
      no_body(kLongNoBodyS),
      upside_down(kLongUpsideDownS),
      on_floor(kLongOnFloorS) {
  out_of_reach.fill(Lasting(kLongOutOfReachS));
  leg_up.fill(Lasting(kLongLegUpS));
}

Plausibility::Plausibility(double image_mean, double image_std, OnHint on_hint)
    : grey_mean_(255.0 * image_mean), grey_std_(255.0 * image_std), on_hint_(std::move(on_hint)) {}

void Plausibility::reset() { lasted_ = {}; }

template <typename... Values>
void Plausibility::hint(Hint kind, int device, const char* format, Values... values) {
  if (std::exchange(hinted_[static_cast<size_t>(kind)][device], true) || !on_hint_) return;
  char text[320];
  std::snprintf(text, sizeof text, format, values...);
  on_hint_(text);
}

std::optional<Reason> Plausibility::of_view(const float* image, int height, int width) {
  const CellStatistics cells = cell_statistics(image, height, width, kCellRows, kCellColumns,
                                               (kWhite - grey_mean_) / grey_std_);
  const double grey = grey_mean_ + grey_std_ * cells.mean;
  const bool flat = grey_std_ * cells.std <= kFlatContrast;
  if ((flat && grey >= kBright) || cells.bright_share >= kMostly) {
    hint(Hint::WHITE_IMAGES, 0, "a camera's images are white (%.0f of 255): exposure", grey);
    return Reason::CAMERAS_SATURATED;
  }
  if (!flat) return std::nullopt;
  hint(Hint::FLAT_IMAGES, 0,
       "a camera's images are flat at %.0f of 255: covered, switched off, or the room is too dark",
       grey);
  return Reason::CAMERAS_COVERED;
}

Reasons Plausibility::of_devices(const DeviceStates& states, double ground_y) {
  double step_s = 0.0;
  if (lasted_.last_ns) {
    step_s = 1e-9 * static_cast<double>(states.timestamp_ns - *lasted_.last_ns);
    if (!(0.0 <= step_s && step_s <= kLongestStepS)) {
      reset();
      step_s = 0.0;
    }
  }
  lasted_.last_ns = states.timestamp_ns;
  lasted_.step_s = step_s;
  const PoseSample& head = states.poses[kHead];
  const double head_height_m = head.position[1] - ground_y;
  lasted_.lies_still = head_lies_still(head, step_s);
  Reasons reasons;
  if (head_is_implausible(states, head_height_m, step_s)) reasons.add(Reason::IMPLAUSIBLE_HEAD);
  for (int device = 1; device < kNumPoseDevices; ++device)
    if (is_out_of_reach(device, states, step_s)) reasons.add(Reason::IMPLAUSIBLE_CONTROLLER);
  for (int device = kNumPoseDevices; device < kNumDevices; ++device)
    if (leg_is_implausible(device, states, head_height_m, step_s))
      reasons.add(Reason::IMPLAUSIBLE_LEG);
  return reasons;
}

Reasons Plausibility::of_estimate(const Pose& pose, double ground_y) {
  Reasons reasons;
  if (lasted_.lies_still && body_seen(pose.joint_confidence) <= kBodySeen) {
    reasons.add(Reason::NOT_WORN);
    hint(Hint::STILL_HEAD, 0,
         "the head has not moved by %.0f mm in %.0f s and the cameras see nobody: the headset is "
         "not worn, or the runtime repeats its last pose",
         1e3 * kStillM, kLongStillS);
  }
  const double longest_m = std::ranges::max(bone_lengths(pose.joints_world));
  const auto lower = [](const Vec3& a, const Vec3& b) { return a[1] < b[1]; };
  const double lowest_m = std::ranges::min(pose.joints_world, lower)[1] - ground_y;
  if (lasted_.no_body.after(lasted_.step_s,
                            longest_m > kLongestPlausibleBoneM || lowest_m < -kBelowFloorM)) {
    reasons.add(Reason::IMPLAUSIBLE_POSE);
    hint(Hint::POSE, 0,
         "the body has a bone of %.2f m and its lowest joint %.2f m over the floor: are the rig, "
         "TrackerOptions.ground_y_m and every device's frame right?",
         longest_m, lowest_m);
  }
  return reasons;
}

bool Plausibility::head_lies_still(const PoseSample& head, double step_s) {
  static const double still_cos_half = std::cos(kStillDeg * std::numbers::pi / 360.0);
  auto& then = lasted_.still_pose;
  const bool still = then && norm(head.position - then->position) <= kStillM &&
                     std::abs(dot(head.orientation, then->orientation)) >= still_cos_half;
  if (!still) then = head;
  return lasted_.still.after(step_s, still);
}

bool Plausibility::head_is_implausible(const DeviceStates& states, double height_m, double step_s) {
  const double up = upwards(states.poses[kHead].orientation);
  const bool upside_down =
      lasted_.upside_down.after(step_s, up < kUpsideDown && height_m > kUpsideDownFrom);
  const bool on_floor = lasted_.on_floor.after(step_s, up > kUpright && height_m < kFloorLevel);
  hint_at_head(height_m, on_floor, upside_down);
  return upside_down || on_floor || !is_head_height(height_m);
}

bool is_head_height(double height_m) { return kLowestHead <= height_m && height_m <= kHighestHead; }

void Plausibility::hint_at_head(double height_m, bool on_floor, bool upside_down) {
  if (height_m > kHighestHead) {
    const char* likely = "is the floor at TrackerOptions.ground_y_m?";
    if (height_m > kCentimetresFrom)
      likely = height_m < kMillimetresFrom ? "are these centimetres?" : "are these millimetres?";
    hint(Hint::HIGH_HEAD, 0, "head height %.4g: metres expected, %s", height_m, likely);
  } else if (on_floor) {
    hint(Hint::HEAD_ON_FLOOR, 0,
         "an upright head at %.2f m over the floor: is this OpenXR's LOCAL space? y = 0 is "
         "expected at the floor, as in STAGE or LOCAL_FLOOR",
         height_m);
  } else if (height_m < kLowestHead) {
    hint(Hint::HEAD_BELOW_FLOOR, 0,
         "head height %.4g m is below the floor: y must point up, and the floor be at "
         "TrackerOptions.ground_y_m",
         height_m);
  }
  if (upside_down)
    hint(Hint::UPSIDE_DOWN_HEAD, 0, "%s",
         "the head is upside down: quaternions look like wxyz, xyzw is expected");
}

bool Plausibility::is_out_of_reach(int device, const DeviceStates& states, double step_s) {
  const double distance_m = norm(states.poses[kHead].position - states.poses[device].position);
  const bool found =
      lasted_.out_of_reach[device].after(step_s, states.has(device) && distance_m > kReachM);
  if (found)
    hint(Hint::OUT_OF_REACH, device,
         "%s is %.4g m from the head: is it in the hand, and in the head's space and unit?",
         kDeviceNames[device], distance_m);
  return found;
}

bool Plausibility::leg_is_implausible(int device, const DeviceStates& states, double head_height_m,
                                      double step_s) {
  const bool tracked = states.has(device);
  const bool upside_down =
      lasted_.leg_up[device].after(step_s, tracked && head_height_m > kStanding &&
                                               upwards(states.orientation(device)) < kUpsideDown);
  if (upside_down)
    hint(Hint::UPSIDE_DOWN_LEG, device,
         "%s is upside down while the head is at %.1f m: quaternions look like wxyz (xyzw is "
         "expected), or the strap is",
         kDeviceNames[device], head_height_m);
  Vec3& mean = lasted_.mean_acceleration[device];
  if (!tracked) {
    mean = {};
    return false;
  }
  const Vec3& acceleration = states.legs[device - kNumPoseDevices].acceleration;
  const double weight = std::min(1.0, kStrongest / std::max(norm(acceleration), 1e-9));
  const double share = std::min(1.0, step_s / kGravityMeanS);
  mean = mean + share * (weight * acceleration - mean);
  const bool found = norm(mean) > kGravity;
  if (found) hint_at_gravity(device, mean);
  return found || upside_down;
}

void Plausibility::hint_at_gravity(int device, const Vec3& mean) {
  const double size = norm(mean);
  const char* where = "sideways";
  const char* likely = "gravity was not removed, or not in the world frame";
  if (mean[1] > 0.8 * size) {
    where = "upwards";
    likely = "gravity was not removed";
  } else if (mean[1] < -0.8 * size) {
    where = "downwards";
    likely = "gravity has the wrong sign or was removed twice";
  }
  hint(Hint::GRAVITY, device,
       "%s acceleration averages %.1f m/s^2 %s: %s, see LegReading.from_specific_force",
       kDeviceNames[device], size, where, likely);
}

}  // namespace same
