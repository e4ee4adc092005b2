#include "same/user_offsets.hpp"

#include <algorithm>

#include "same/quantile.hpp"

namespace same {
namespace {

constexpr double kStraight = 0.93, kUpright = 0.9;

// Joints that share their parent with others. One rotation cannot point three bones, so their
// directions in the pelvis and in the chest are the user's own, like lengths.
constexpr std::array<int, 6> kMeasuredDirections{kLeftHip, kRightHip,   kSpine1,
                                                 kNeck,    kLeftCollar, kRightCollar};

Joints median(const std::vector<Joints>& samples) {
  Joints medians{};
  std::array<double, PostureSamples<Joints>::kSamples> values;
  for (int joint = 0; joint < kNumJoints; ++joint)
    for (int axis = 0; axis < 3; ++axis) {
      for (size_t i = 0; i < values.size(); ++i) values[i] = samples[i][joint][axis];
      medians[joint][axis] = quantile(values, 0.5);
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

void UserOffsets::give_lengths(const std::array<double, kNumJoints>& lengths) {
  lengths_ = lengths;
  given_ = true;
  if (changed_count_ > 0) set(Joints(offsets_));
}

void UserOffsets::update(const Joints& joints, const Joints& bones, bool good) {
  if (changed_count_ == 0) set(bones);
  if (!good) return;
  if (const auto* counts = samples_.take(bones, stands_upright(joints))) set(median(*counts));
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
