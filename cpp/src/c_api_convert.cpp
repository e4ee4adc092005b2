#include "c_api_convert.hpp"

#include <algorithm>
#include <thread>

namespace same::c_api {
namespace {

constexpr int kThreadsThatPay = 4;

RigidTransform to_transform(const double* rows) {
  RigidTransform T;
  for (size_t row = 0; row < 3; ++row) {
    std::copy_n(rows + 4 * row, 3, T.rotation.begin() + static_cast<std::ptrdiff_t>(3 * row));
    T.translation[row] = rows[4 * row + 3];
  }
  const double last[4] = {0.0, 0.0, 0.0, 1.0};
  if (!std::equal(last, last + 4, rows + 12))
    throw std::invalid_argument("T_head_cam: expected a last row of 0 0 0 1");
  return T;
}

void from_transform(const RigidTransform& T, double* rows) {
  for (size_t row = 0; row < 3; ++row) {
    std::copy_n(T.rotation.begin() + static_cast<std::ptrdiff_t>(3 * row), 3, rows + 4 * row);
    rows[4 * row + 3] = T.translation[row];
  }
  // A transform that nobody knows yet is all zeros.
  const bool known =
      std::any_of(T.rotation.begin(), T.rotation.end(), [](double x) { return x != 0; });
  const double last[4] = {0.0, 0.0, 0.0, known ? 1.0 : 0.0};
  std::copy_n(last, 4, rows + 12);
}

FisheyeCamera to_camera(const same_camera& given) {
  FisheyeCamera camera;
  camera.width = given.width;
  camera.height = given.height;
  camera.fx = given.fx;
  camera.fy = given.fy;
  camera.cx = given.cx;
  camera.cy = given.cy;
  std::copy_n(given.k, 4, camera.k.begin());
  camera.max_incidence_rad = given.max_incidence;
  camera.T_head_cam = to_transform(given.T_head_cam);
  return camera;
}

same_camera from_camera(const FisheyeCamera& camera) {
  same_camera out{};
  out.width = camera.width;
  out.height = camera.height;
  out.fx = camera.fx;
  out.fy = camera.fy;
  out.cx = camera.cx;
  out.cy = camera.cy;
  std::copy_n(camera.k.begin(), 4, out.k);
  out.max_incidence = camera.max_incidence_rad;
  from_transform(camera.T_head_cam, out.T_head_cam);
  return out;
}

void copy(const Joints& joints, double (*out)[3]) {
  for (size_t j = 0; j < joints.size(); ++j) std::copy_n(joints[j].begin(), 3, out[j]);
}

void copy(const JointRotations& rotations, double (*out)[4]) {
  for (size_t j = 0; j < rotations.size(); ++j) std::copy_n(&rotations[j].x, 4, out[j]);
}

}  // namespace

bool to_flag(const char* name, int32_t value) {
  if (value != 0 && value != 1)
    throw std::invalid_argument(std::string(name) + ": expected 0 or 1, got " +
                                std::to_string(value));
  return value == 1;
}

Quaternion to_quaternion(const double* xyzw) { return {xyzw[0], xyzw[1], xyzw[2], xyzw[3]}; }
Vec3 to_vec3(const double* v) { return {v[0], v[1], v[2]}; }

CameraRig to_rig(const same_rig& rig) { return {{to_camera(rig.left), to_camera(rig.right)}}; }

same_rig from_rig(const CameraRig& rig) {
  same_rig out{};
  out.size = sizeof out;
  out.left = from_camera(rig.cameras[0]);
  out.right = from_camera(rig.cameras[1]);
  return out;
}

TrackerOptions to_options(const same_options& given) {
  TrackerOptions options;
  options.ground_y = given.ground_y;
  if (given.ring_capacity < 0)
    throw std::invalid_argument("ring_capacity: expected 2 or more, got " +
                                std::to_string(given.ring_capacity));
  options.ring_capacity = static_cast<size_t>(given.ring_capacity);
  options.max_gap_ns = given.max_gap_ns;
  options.max_extrapolation_ns = given.max_extrapolation_ns;
  options.max_prediction_ns = given.max_prediction_ns;
  options.stale_after_ns = given.stale_after_ns;
  options.max_view_skew_ns = given.max_view_skew_ns;
  options.hold_bone_lengths = to_flag("hold_bone_lengths", given.hold_bone_lengths);
  options.plant_feet = to_flag("plant_feet", given.plant_feet);
  options.solve_rotations = to_flag("solve_rotations", given.solve_rotations) || options.plant_feet;
  if (given.smoothing_min_cutoff_hz != 0.0)
    options.smoothing = OneEuro{given.smoothing_min_cutoff_hz, given.smoothing_cutoff_per_speed};
  if (given.log)
    options.log = [log = given.log, user = given.log_user](const char* text) { log(text, user); };
  return options;
}

OnnxRuntimeOptions to_engine_options(const same_options& given) {
  OnnxRuntimeOptions options;
#if defined(_WIN32)
  options.library = "onnxruntime.dll";
#elif defined(__APPLE__)
  options.library = "libonnxruntime.dylib";
#else
  options.library = "libonnxruntime.so.1";
#endif
  if (given.onnxruntime_path) options.library = given.onnxruntime_path;
  if (given.provider) options.provider = given.provider;
  if (given.precision) options.precision = given.precision;
  if (options.precision != "fp32" && options.precision != "fp16" && options.precision != "int8")
    throw std::invalid_argument("precision: expected fp32, fp16 or int8, got " + options.precision);
  if (given.threads < 0 || given.threads > kMostThreads)
    throw std::invalid_argument("threads: expected 0.." + std::to_string(kMostThreads) + ", got " +
                                std::to_string(given.threads));
  const int usable = static_cast<int>(std::thread::hardware_concurrency());
  options.threads = given.threads > 0 ? given.threads : std::clamp(usable, 1, kThreadsThatPay);
  return options;
}

LiveOptions to_live_options(const same_live_options& given) {
  LiveOptions options;
  options.display_rate_hz = given.display_rate_hz;
  options.lost_rate_hz = given.lost_rate_hz;
  options.lead_ns = given.lead_ns;
  options.cameras_lost_after_ns = given.cameras_lost_after_ns;
  options.max_wait_ns = given.max_wait_ns;
  options.between_frames = static_cast<BetweenFrames>(given.between_frames);
  return options;
}

StereoFrame to_frame(const same_frame& frame) {
  return {frame.timestamp_ns,
          {GrayImage{frame.left, static_cast<std::ptrdiff_t>(frame.left_row_stride)},
           GrayImage{frame.right, static_cast<std::ptrdiff_t>(frame.right_row_stride)}}};
}

Readings to_readings(const same_readings& given) {
  if (given.present >> kNumDevices)
    throw std::invalid_argument("readings.present: expected bits 0..4, got " +
                                std::to_string(given.present));
  Readings readings;
  readings.timestamp_ns = given.timestamp_ns;
  for (size_t device = 0; device < kNumDevices; ++device) {
    if (!(given.present >> device & 1)) continue;
    const Quaternion orientation = to_quaternion(given.orientations[device]);
    if (device < kNumPoseDevices) {
      readings.poses[device] = PoseSample{to_vec3(given.positions[device]), orientation};
    } else {
      const size_t leg = device - kNumPoseDevices;
      readings.legs[leg] = LegSample{to_vec3(given.accelerations[leg]), orientation};
    }
  }
  return readings;
}

same_pose from_pose(const Pose& pose) {
  same_pose out{};
  out.size = sizeof out;
  out.status = static_cast<int32_t>(pose.status);
  for (const Reason reason : pose.reasons)
    out.reasons[out.reason_count++] = static_cast<int32_t>(reason);
  out.timestamp_ns = pose.timestamp_ns;
  out.latency_ns = pose.latency_ns;
  copy(pose.joints_world, out.joints_world);
  copy(pose.joints_cam_left, out.joints_cam_left);
  std::copy(pose.joint_confidence.begin(), pose.joint_confidence.end(), out.joint_confidence);
  from_transform(pose.T_world_cam_left, out.T_world_cam_left);
  for (size_t device = 0; device < kNumDevices; ++device)
    if (const auto& orientation = pose.device_orientations[device])
      std::copy_n(&orientation->x, 4, out.device_orientations[device]);
  if (!pose.skeleton) return out;
  out.has_skeleton = 1;
  const SolvedSkeleton& solved = pose.skeleton->solved;
  copy(solved.joints, out.skeleton_joints);
  copy(solved.rotations, out.rotations_world);
  copy(solved.local, out.rotations_local);
  copy(solved.velocities, out.velocities);
  copy(solved.turn_rates, out.turn_rates);
  copy(pose.skeleton->offsets, out.offsets);
  std::copy(solved.foot_contacts.begin(), solved.foot_contacts.end(), out.foot_contacts);
  return out;
}

same_stats from_stats(const TrackerStats& stats) {
  same_stats out{};
  out.size = sizeof out;
  for (size_t stream = 0; stream < stats.streams.size(); ++stream) {
    const StreamStats& found = stats.streams[stream];
    out.streams[stream] = {found.newest_ns,
                           found.accepted,
                           found.refused,
                           found.restarts,
                           found.rate_hz,
                           found.off_clock ? 1 : 0,
                           0};
  }
  out.frames_accepted = stats.frames.accepted;
  out.frames_dropped = stats.frames.dropped;
  out.frames_too_late = stats.frames_too_late;
  out.images_unpaired = stats.frames.unpaired;
  out.estimates = stats.estimates.count;
  out.estimate_rate_hz = stats.estimates.rate_hz;
  out.estimate_median_ms = stats.estimates.latency_median_ms;
  out.estimate_p99_ms = stats.estimates.latency_p99_ms;
  out.poses_given_out = stats.output.count;
  out.deadlines_missed = stats.deadlines_missed;
  out.output_rate_hz = stats.output.rate_hz;
  out.output_p99_ms = stats.output.latency_p99_ms;
  out.relocalisations = stats.relocalisations;
  out.engine_failures = stats.engine_failures;
  out.worker_errors = stats.worker_errors;
  return out;
}

same_calibration from_calibration(const Calibration& calibration) {
  same_calibration out{};
  out.size = sizeof out;
  // The states first, so that what is DONE has its values.
  out.height_state = static_cast<int32_t>(calibration.height_state());
  out.legs_state = static_cast<int32_t>(calibration.legs_state());
  out.floor_state = static_cast<int32_t>(calibration.floor_state());
  out.forward_state = static_cast<int32_t>(calibration.forward_state());
  out.legs_changed = calibration.legs_changed() ? 1 : 0;
  out.legs_failure = calibration.legs_failure();
  out.user_height = calibration.user_height_m().value_or(0.0);
  out.ground_y = calibration.ground_y();
  if (const auto lengths = calibration.bone_lengths()) {
    out.has_bone_lengths = 1;
    std::copy(lengths->begin(), lengths->end(), out.bone_lengths);
  }
  const auto straps = calibration.leg_straps();
  if (straps && calibration.leg_straps_hold()) {
    out.has_leg_straps = 1;
    out.head_height = straps->head_height_m;
    for (size_t leg = 0; leg < straps->mountings.size(); ++leg)
      std::copy_n(&straps->mountings[leg].x, 4, out.leg_mountings[leg]);
  }
  from_transform(calibration.T_user_space(), out.T_user_world);
  return out;
}

same_options default_options() {
  const TrackerOptions defaults;
  same_options out{};
  out.size = sizeof out;
  out.provider = "cpu";
  out.precision = "fp32";
  out.ground_y = defaults.ground_y;
  out.max_gap_ns = defaults.max_gap_ns;
  out.max_extrapolation_ns = defaults.max_extrapolation_ns;
  out.max_prediction_ns = defaults.max_prediction_ns;
  out.stale_after_ns = defaults.stale_after_ns;
  out.max_view_skew_ns = defaults.max_view_skew_ns;
  out.ring_capacity = static_cast<int32_t>(defaults.ring_capacity);
  return out;
}

same_live_options default_live_options() {
  const LiveOptions defaults;
  same_live_options out{};
  out.size = sizeof out;
  out.between_frames = static_cast<int32_t>(defaults.between_frames);
  out.display_rate_hz = defaults.display_rate_hz;
  out.lost_rate_hz = defaults.lost_rate_hz;
  out.lead_ns = defaults.lead_ns;
  out.cameras_lost_after_ns = defaults.cameras_lost_after_ns;
  out.max_wait_ns = defaults.max_wait_ns;
  return out;
}

}  // namespace same::c_api
