#include "same/reference_spaces.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace same {

void ReferenceSpaces::change(int64_t timestamp_ns, const PoseSample& origin) {
  const Quaternion& turn = origin.orientation;
  const double yaw = 2.0 * std::atan2(turn.y, turn.w);
  const Space next{timestamp_ns, std::remainder(newest().yaw + yaw, 2.0 * std::numbers::pi),
                   of(newest()) * origin.position, newest().number + 1};
  if (count_ == kKept)
    std::shift_left(spaces_.begin(), spaces_.end(), 1);
  else
    ++count_;
  spaces_[count_ - 1] = next;
}

RigidTransform ReferenceSpaces::T_world_space(int64_t timestamp_ns) const {
  return of(at(timestamp_ns));
}

PoseSample ReferenceSpaces::into_world(int64_t timestamp_ns, const PoseSample& sample) const {
  // As it is, to the bit, for all who never recentre.
  return changed() ? moved(T_world_space(timestamp_ns), sample) : sample;
}

LegSample ReferenceSpaces::into_world(int64_t timestamp_ns, const LegSample& sample) const {
  if (!changed()) return sample;
  const Quaternion turn = rotation_about({0, 1, 0}, at(timestamp_ns).yaw);
  return {rotate(turn, sample.acceleration), normalised(turn * sample.orientation)};
}

void ReferenceSpaces::restart() {
  spaces_[0] = newest();
  spaces_[0].since_ns = std::numeric_limits<int64_t>::min();
  count_ = 1;
}

RigidTransform ReferenceSpaces::of(const Space& space) {
  return {to_matrix(rotation_about({0, 1, 0}, space.yaw)), space.origin};
}

const ReferenceSpaces::Space& ReferenceSpaces::at(int64_t timestamp_ns) const {
  size_t space = count_ - 1;
  while (space > 0 && spaces_[space].since_ns > timestamp_ns) --space;
  return spaces_[space];
}

PoseSample moved(const RigidTransform& T, const PoseSample& sample) {
  const double yaw = std::atan2(T.rotation[2], T.rotation[0]);
  return {T * sample.position, normalised(rotation_about({0, 1, 0}, yaw) * sample.orientation)};
}

}  // namespace same
