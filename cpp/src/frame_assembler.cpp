#include "same/frame_assembler.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "same/floor_anchor.hpp"

namespace same {
namespace {

// Training's windows span 1.03 s. A row from longer ago says nothing to the network and misleads
// it, so that slow or lost frames make the window shorter.
constexpr int64_t kMaxRowAgeNs = 1'100'000'000;

void write_matrix(const RigidTransform& T, float* out) {
  for (int row = 0; row < 3; ++row) {
    for (int col = 0; col < 3; ++col)
      out[4 * row + col] = static_cast<float>(T.rotation[3 * row + col]);
    out[4 * row + 3] = static_cast<float>(T.translation[row]);
  }
  std::fill_n(out + 12, 3, 0.0f);
  out[15] = 1.0f;
}

}  // namespace

FrameAssembler::FrameAssembler(const RigidTransform& T_head_cam_left, double ground_y,
                               size_t window, bool relocalises)
    : T_head_cam_left_(T_head_cam_left),
      ground_y_(ground_y),
      relocalises_(relocalises),
      history_(window) {
  if (window < 1) throw std::invalid_argument("window: expected at least 1 frame");
}

bool FrameAssembler::assemble(int64_t timestamp_ns, const DeviceStates& states,
                              const AssembledFrame& out) {
  if (!states.has(kHead) || (frames_ > 0 && timestamp_ns <= newest().timestamp_ns)) return false;

  const PoseSample& head = states.poses[kHead];
  const RigidTransform T_world_head{to_matrix(head.orientation), head.position};
  const RigidTransform T_world_cam_left = T_world_head * T_head_cam_left_;
  DeviceStates current = states;
  current.timestamp_ns = timestamp_ns;
  if (previous_) remount(current.mountings);
  const LegHeadings::Readings legs = LegHeadings::read(current);
  const Jump jump =
      relocalises_ && previous_ ? head_jump(*previous_, head_motion_, current) : Jump{};
  if (jump) {
    relocalise(current, legs, jump.turned && head_motion_);
  } else {
    if (frames_ > 0)
      leg_headings_.catch_up(timestamp_ns, past(std::min<size_t>(held() - 1, 1)).legs, legs);
    leg_headings_.apply(current);
  }
  head_motion_ = previous_ && !jump ? same::head_motion(*previous_, current) : std::nullopt;
  inertial_features(current, previous_ ? &*previous_ : nullptr, T_world_cam_left, ground_y_,
                    out.imu_features);
  previous_ = current;

  history_[frames_ % history_.size()] = {timestamp_ns, T_world_cam_left, legs};
  ++frames_;
  T_world_anchor_ = floor_anchor(head, ground_y_);

  const RigidTransform T_anchor_world = inverse(T_world_anchor_);
  const size_t size = history_.size();
  for (size_t row = 0; row < size; ++row) {
    const size_t age = size - 1 - row;
    const bool known = age < held() && timestamp_ns - past(age).timestamp_ns <= kMaxRowAgeNs;
    if (!known) {
      write_matrix(RigidTransform{}, out.T_anchor_cam + 16 * row);
      out.time_offset_s[row] = out.window_valid[row] = 0.0f;
      continue;
    }
    const Past& then = past(age);
    write_matrix(T_anchor_world * then.T_world_cam_left, out.T_anchor_cam + 16 * row);
    out.time_offset_s[row] =
        static_cast<float>(1e-9 * static_cast<double>(then.timestamp_ns - timestamp_ns));
    out.window_valid[row] = 1.0f;
  }
  return true;
}

void FrameAssembler::relocalise(DeviceStates& current, const LegHeadings::Readings& legs,
                                bool turned) {
  // Had the world stayed as it was.
  const PoseSample old_head =
      expected_head(*previous_, head_motion_, current.timestamp_ns - previous_->timestamp_ns);
  const PoseSample& new_head = current.poses[kHead];
  // The floor stays the floor: only yaw and place may have changed, and the anchor holds just
  // these.
  const RigidTransform T_world_old = floor_anchor(old_head, 0.0);
  RigidTransform T_world_new = floor_anchor(new_head, 0.0);
  T_world_new.translation[1] = new_head.position[1] - old_head.position[1];
  // Turn about y and shift that took the world before this frame's head into the one after.
  const RigidTransform T_new_old = T_world_new * inverse(T_world_old);
  ++relocalisations_;
  for (Past& then : history_) then.T_world_cam_left = T_new_old * then.T_world_cam_left;

  const double yaw = std::atan2(T_new_old.rotation[2], T_new_old.rotation[0]);
  if (turned)
    leg_headings_.world_turned(current.timestamp_ns, yaw, turned_along(current, legs, yaw), legs);

  const Quaternion turn = rotation_exp({0.0, yaw, 0.0});
  for (PoseSample& pose : previous_->poses)
    pose = {T_new_old * pose.position, normalised(turn * pose.orientation)};
  leg_headings_.apply(current);
  for (int i = 0; i < kNumLegDevices; ++i) {
    // A sensor that turned along before the head did has done so already.
    Quaternion& leg = previous_->legs[i].orientation;
    const Quaternion& now = current.legs[i].orientation;
    const Quaternion turned = normalised(turn * leg);
    if (std::abs(dot(turned, now)) > std::abs(dot(leg, now))) leg = turned;
  }
}

void FrameAssembler::remount(const LegMountings& mountings) {
  for (int leg = 0; leg < kNumLegDevices; ++leg) {
    Quaternion& former = previous_->mountings[leg];
    if (former == mountings[leg]) continue;
    const Quaternion turn = conjugate(former) * mountings[leg];
    const auto worn = [&](const Quaternion& q) { return normalised(q * turn); };
    previous_->legs[leg].orientation = worn(previous_->legs[leg].orientation);
    for (Past& then : history_)
      if (auto& reading = then.legs[leg]) reading = worn(*reading);
    former = mountings[leg];
  }
}

std::array<bool, kNumLegDevices> FrameAssembler::turned_along(const DeviceStates& current,
                                                              const LegHeadings::Readings& legs,
                                                              double yaw) const {
  std::array<bool, kNumLegDevices> along{};
  // Over two frames each, as one may lie between readings of both worlds; not past another turn.
  for (size_t back = std::min<size_t>(held() - 1, 1); back < held(); ++back) {
    const Past& before = past(back);
    if (current.timestamp_ns - before.timestamp_ns > kTurnsAlongNs ||
        before.timestamp_ns < leg_headings_.turned_ns())
      break;
    const auto here = LegHeadings::turned(yaw, before.legs, back < 2 ? legs : past(back - 2).legs);
    for (int leg = 0; leg < kNumLegDevices; ++leg) along[leg] = along[leg] || here[leg];
  }
  return along;
}

void FrameAssembler::reset() {
  previous_.reset();
  head_motion_.reset();
  frames_ = 0;
}

}  // namespace same
