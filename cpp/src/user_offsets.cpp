#include "same/user_offsets.hpp"

#include <algorithm>

namespace same {
namespace {

constexpr size_t kSamples = 60;
constexpr int kTakeEvery = 10;  // of the poses in any posture
constexpr double kStraight = 0.93, kUpright = 0.9;

// Joints that share their parent with others. One rotation cannot point three bones, so their
// directions in the pelvis and in the chest are the user's own, like lengths.
constexpr std::array<int, 6> kMeasuredDirections{kLeftHip, kRightHip,   kSpine1,
                                                 kNeck,    kLeftCollar, kRightCollar};

Joints median(const std::vector<Joints>& samples) {
  Joints medians{};
  std::array<double, kSamples> values;
  for (int joint = 0; joint < kNumJoints; ++joint)
    for (int axis = 0; axis < 3; ++axis) {
      for (size_t i = 0; i < kSamples; ++i) values[i] = samples[i][joint][axis];
      std::ranges::sort(values);
      medians[joint][axis] = 0.5 * (values[kSamples / 2 - 1] + values[kSamples / 2]);
    }
  return medians;
}

}  // namespace

bool stands_upright(const Joints& joints) {
  const auto upright = [&](int top, int bottom) {
    const Vec3 span = joints[top] - joints[bottom];
    return span[1] > kUpright * norm(span);
  };
  const auto straight = [&](int hip, int knee, int ankle) {
    return norm(joints[hip] - joints[ankle]) >
           kStraight * (norm(joints[hip] - joints[knee]) + norm(joints[knee] - joints[ankle]));
  };
  return upright(kHeadJoint, kPelvis) && upright(kLeftHip, kLeftAnkle) &&
         upright(kRightHip, kRightAnkle) && straight(kLeftHip, kLeftKnee, kLeftAnkle) &&
         straight(kRightHip, kRightKnee, kRightAnkle);
}

UserOffsets::UserOffsets() {
  upright_.reserve(kSamples);
  any_.reserve(kSamples);
}

void UserOffsets::give_lengths(const std::array<double, kNumJoints>& lengths) {
  lengths_ = lengths;
  given_ = true;
  if (changed_count_ > 0) set(Joints(offsets_));
}

void UserOffsets::update(const Joints& joints, const Joints& bones, bool good) {
  if (changed_count_ == 0) set(bones);
  if (!good || upright_.size() == kSamples) return;
  if (stands_upright(joints)) {
    upright_.push_back(bones);
    if (upright_.size() == kSamples) set(median(upright_));
  }
  if (good_poses_++ % kTakeEvery == 0 && any_.size() < kSamples) {
    any_.push_back(bones);
    if (any_.size() == kSamples && upright_.size() < kSamples) set(median(any_));
  }
}

void UserOffsets::set(const Joints& bones) {
  std::array<double, kNumJoints> lengths = lengths_;
  if (!given_) {
    for (int joint = 0; joint < kNumJoints; ++joint) lengths[joint] = norm(bones[joint]);
    for (const int left : kLeftJoints)
      lengths[left] = lengths[left + 1] = 0.5 * (lengths[left] + lengths[left + 1]);
  }
  for (int joint = 0; joint < kNumJoints; ++joint) {
    const bool measured =
        std::ranges::find(kMeasuredDirections, joint) != kMeasuredDirections.end();
    offsets_[joint] = lengths[joint] * unit(measured ? bones[joint] : kRestOffsets[joint]);
  }
  ++changed_count_;
}

}  // namespace same
