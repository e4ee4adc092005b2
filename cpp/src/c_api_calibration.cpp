#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "c_api_call.hpp"
#include "c_api_convert.hpp"

using namespace same;
using namespace same::c_api;

extern "C" {

same_result same_recentre(same_tracker tracker, int32_t keep_place) {
  return with_tracker(tracker,
                      [&](Tracker& opened) { opened.recentre(to_flag("keep_place", keep_place)); });
}

same_result same_set_floor(same_tracker tracker, double ground_y) {
  return with_tracker(tracker, [&](Tracker& opened) { opened.set_floor(ground_y); });
}

same_result same_floor_from_controller(same_tracker tracker, double* ground_y) {
  return with_tracker(tracker, [&](Tracker& opened) {
    const double found = opened.floor_from_controller();
    if (ground_y) *ground_y = found;
  });
}

same_result same_start_legs(same_tracker tracker) {
  return with_tracker(tracker, [](Tracker& opened) { opened.start_legs(); });
}

same_result same_set_bone_lengths(same_tracker tracker, const double lengths[SAME_JOINTS]) {
  return with_tracker(tracker, [&](Tracker& opened) {
    checked("lengths", lengths);
    std::array<double, kNumJoints> metres;
    std::copy_n(lengths, kNumJoints, metres.begin());
    opened.set_bone_lengths(metres);
  });
}

same_result same_forget_user(same_tracker tracker) {
  return with_tracker(tracker, [](Tracker& opened) { opened.forget_user(); });
}

same_result same_set_leg_straps(same_tracker tracker, double head_height,
                                const double left_mounting_xyzw[4],
                                const double right_mounting_xyzw[4]) {
  return with_tracker(tracker, [&](Tracker& opened) {
    checked("left_mounting_xyzw", left_mounting_xyzw);
    checked("right_mounting_xyzw", right_mounting_xyzw);
    opened.set_leg_straps(
        {head_height, {to_quaternion(left_mounting_xyzw), to_quaternion(right_mounting_xyzw)}});
  });
}

same_result same_reference_space_changed(same_tracker tracker, int64_t timestamp_ns,
                                         const double position[3], const double orientation_xyzw[4],
                                         int32_t legs_too) {
  return with_tracker(tracker, [&](Tracker& opened) {
    const bool legs = to_flag("legs_too", legs_too);
    checked("position", position);
    checked("orientation_xyzw", orientation_xyzw);
    opened.reference_space_changed(timestamp_ns,
                                   {to_vec3(position), to_quaternion(orientation_xyzw)}, legs);
  });
}

same_result same_get_calibration(same_tracker tracker, same_calibration* calibration) {
  return with_tracker(tracker, [&](Tracker& opened) {
    read("calibration", calibration, kFirstCalibrationSize);
    write(from_calibration(std::as_const(opened).calibration()), calibration);
  });
}

}  // extern "C"
