#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <optional>

#include "c_api_call.hpp"
#include "c_api_convert.hpp"
#include "same/bundle.hpp"

namespace same::c_api {
namespace {

std::optional<int64_t> arrival(int64_t arrival_ns) {
  return arrival_ns == SAME_ARRIVED_NOW ? std::nullopt : std::optional(arrival_ns);
}

// The struct that a pose goes into, checked before any work is done.
same_pose& checked_pose(same_pose* pose) {
  read("pose", pose, sizeof(same_pose));
  return *pose;
}

std::unique_ptr<Tracker> open_tracker(const char* path, const same_rig* rig,
                                      const same_options& given) {
  const TrackerOptions options = to_options(given);
  validate(options);
  const OnnxRuntimeOptions backend = to_engine_options(given);
  const Bundle bundle = Bundle::open(path);
  const CameraRig cameras = rig ? to_rig(read("rig", rig, sizeof(same_rig))) : bundle.rig();
  cameras.validate();
  return std::make_unique<Tracker>(open_onnxruntime_engine(bundle, backend), cameras,
                                   bundle.network_inputs(), options);
}

}  // namespace
}  // namespace same::c_api

using namespace same;
using namespace same::c_api;

extern "C" {

uint32_t same_abi_version(void) { return SAME_ABI_VERSION; }
const char* same_version(void) { return SAME_VERSION; }
const char* same_last_error(void) { return last_error_text(); }

const char* same_joint_name(int32_t joint) {
  return joint >= 0 && joint < kNumJoints ? kJointNames[static_cast<size_t>(joint)] : nullptr;
}

const char* same_reason_name(int32_t reason) {
  return reason >= 0 && static_cast<size_t>(reason) < kNumReasons
             ? kReasonNames[static_cast<size_t>(reason)]
             : nullptr;
}

same_result same_options_init(same_options* options, size_t size) {
  return initialise("options", options, size, default_options());
}
same_result same_live_options_init(same_live_options* options, size_t size) {
  return initialise("live_options", options, size, default_live_options());
}
same_result same_rig_init(same_rig* rig, size_t size) { return initialise("rig", rig, size, {}); }
same_result same_frame_init(same_frame* frame, size_t size) {
  return initialise("frame", frame, size, {});
}
same_result same_readings_init(same_readings* readings, size_t size) {
  return initialise("readings", readings, size, {});
}
same_result same_pose_init(same_pose* pose, size_t size) {
  return initialise("pose", pose, size, {});
}
same_result same_stats_init(same_stats* stats, size_t size) {
  return initialise("stats", stats, size, {});
}
same_result same_calibration_init(same_calibration* calibration, size_t size) {
  return initialise("calibration", calibration, size, {}, kFirstCalibrationSize);
}

same_result same_open(const char* bundle, const same_rig* rig, const same_options* options,
                      same_tracker* tracker) {
  return guarded([&] {
    checked("tracker", tracker) = 0;
    checked("bundle", bundle);
    const same_options full =
        options ? read("options", options, sizeof(same_options)) : default_options();
    auto opened = std::make_shared<Opened>();
    opened->tracker = open_tracker(bundle, rig, full);
    *tracker = give_number(std::move(opened));
    return SAME_OK;
  });
}

same_result same_close(same_tracker tracker) {
  return guarded([&] {
    {
      const auto opened = find_opened(tracker);
      const std::shared_lock lock(opened->use);
      if (opened->tracker && opened->tracker->is_inside())
        throw StateError("a tracker cannot be closed from its own callback");
    }
    const std::shared_ptr<Opened> opened = take_opened(tracker);
    opened->tracker->stop();
    const std::lock_guard alone(opened->use);
    opened->tracker.reset();
    return SAME_OK;
  });
}

same_result same_get_rig(same_tracker tracker, same_rig* rig) {
  return with_tracker(tracker, [&](Tracker& opened) {
    read("rig", rig, sizeof(same_rig));
    write(from_rig(opened.rig()), rig);
  });
}

same_result same_set_clock_given(same_tracker tracker, int32_t stream, int64_t offset_ns,
                                 double drift_ppm) {
  return with_tracker(
      tracker, [&](Tracker& opened) { opened.set_clock_given(stream, offset_ns, drift_ppm); });
}

same_result same_set_clock_estimated(same_tracker tracker, int32_t stream, int64_t min_latency_ns) {
  return with_tracker(tracker,
                      [&](Tracker& opened) { opened.set_clock_estimated(stream, min_latency_ns); });
}

same_result same_put_pose(same_tracker tracker, int32_t device, int64_t timestamp_ns,
                          const double position[3], const double orientation_xyzw[4],
                          int64_t arrival_ns) {
  return with_tracker(tracker, [&](Tracker& opened) {
    checked("position", position);
    checked("orientation_xyzw", orientation_xyzw);
    opened.push_pose(device, timestamp_ns, {to_vec3(position), to_quaternion(orientation_xyzw)},
                     arrival(arrival_ns));
  });
}

same_result same_put_leg(same_tracker tracker, int32_t device, int64_t timestamp_ns,
                         const double orientation_xyzw[4], const double acceleration[3],
                         int64_t arrival_ns) {
  return with_tracker(tracker, [&](Tracker& opened) {
    checked("orientation_xyzw", orientation_xyzw);
    checked("acceleration", acceleration);
    opened.push_leg(device, timestamp_ns, {to_vec3(acceleration), to_quaternion(orientation_xyzw)},
                    arrival(arrival_ns));
  });
}

same_result same_put_frame(same_tracker tracker, const same_frame* frame, int64_t arrival_ns) {
  return with_tracker(tracker, [&](Tracker& opened) {
    opened.put_frame(to_frame(read("frame", frame, sizeof(same_frame))), arrival(arrival_ns));
  });
}

same_result same_put_image(same_tracker tracker, int32_t view, int64_t timestamp_ns,
                           const uint8_t* pixels, int64_t row_stride, int64_t arrival_ns) {
  return with_tracker(tracker, [&](Tracker& opened) {
    opened.put_image(view, timestamp_ns, {pixels, static_cast<std::ptrdiff_t>(row_stride)},
                     arrival(arrival_ns));
  });
}

same_result same_push(same_tracker tracker, const same_frame* frame, const same_readings* readings,
                      same_pose* pose) {
  return with_tracker(tracker, [&](Tracker& opened) {
    same_pose& out = checked_pose(pose);
    const StereoFrame stereo = to_frame(read("frame", frame, sizeof(same_frame)));
    const Readings imu = to_readings(read("readings", readings, sizeof(same_readings)));
    write(from_pose(opened.push(stereo, imu)), &out);
  });
}

same_result same_push_frame(same_tracker tracker, const same_frame* frame, int64_t arrival_ns,
                            same_pose* pose) {
  return with_tracker(tracker, [&](Tracker& opened) {
    same_pose& out = checked_pose(pose);
    const StereoFrame stereo = to_frame(read("frame", frame, sizeof(same_frame)));
    write(from_pose(opened.push_frame(stereo, arrival(arrival_ns))), &out);
  });
}

same_result same_step(same_tracker tracker, same_pose* pose) {
  return with_tracker(tracker, [&](Tracker& opened) {
    same_pose& out = checked_pose(pose);
    const std::optional<Pose> found = opened.step();
    if (!found) return SAME_NO_POSE;
    write(from_pose(*found), &out);
    return SAME_OK;
  });
}

same_result same_at_time(same_tracker tracker, int64_t timestamp_ns, same_pose* pose) {
  return with_tracker(tracker, [&](Tracker& opened) {
    same_pose& out = checked_pose(pose);
    write(from_pose(opened.at_time(timestamp_ns)), &out);
  });
}

same_result same_latest(same_tracker tracker, same_pose* pose) {
  return with_tracker(tracker, [&](Tracker& opened) {
    same_pose& out = checked_pose(pose);
    write(from_pose(opened.latest()), &out);
  });
}

same_result same_start(same_tracker tracker, const same_live_options* options) {
  return with_tracker(tracker, [&](Tracker& opened) {
    const same_live_options full =
        options ? read("live_options", options, sizeof(same_live_options)) : default_live_options();
    std::function<int64_t()> clock;
    if (full.clock)
      clock = [function = full.clock, user = full.clock_user] { return function(user); };
    opened.start(to_live_options(full), std::move(clock));
  });
}

same_result same_stop(same_tracker tracker) {
  return with_tracker(tracker, [](Tracker& opened) { opened.stop(); });
}

same_result same_on_pose(same_tracker tracker, same_pose_callback callback, void* user) {
  return with_tracker(tracker, [&](Tracker& opened) {
    if (callback)
      opened.on_pose([callback, user](const Pose& pose) {
        const same_pose given = from_pose(pose);
        callback(&given, user);
      });
    else
      opened.on_pose({});
  });
}

same_result same_reset(same_tracker tracker) {
  return with_tracker(tracker, [](Tracker& opened) { opened.reset(); });
}

same_result same_get_stats(same_tracker tracker, same_stats* stats) {
  return with_tracker(tracker, [&](Tracker& opened) {
    read("stats", stats, sizeof(same_stats));
    write(from_stats(opened.stats()), stats);
  });
}

}  // extern "C"
