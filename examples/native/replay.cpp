// Replays a raw recording through same::Tracker, frames by way of its inbox, and prints every pose
// as replay.c does.
//
//   replay_cpp BUNDLE RECORDING.raw [LIBONNXRUNTIME]
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <exception>
#include <stdexcept>

#include "raw_reader.hpp"
#include "same/bundle.hpp"
#include "same/onnxruntime_engine.hpp"
#include "same/stamp_errors.hpp"
#include "same/tracker.hpp"

namespace {

same::FisheyeCamera camera(const raw_camera& raw) {
  same::FisheyeCamera camera;
  camera.width = raw.width;
  camera.height = raw.height;
  camera.fx = raw.fx;
  camera.fy = raw.fy;
  camera.cx = raw.cx;
  camera.cy = raw.cy;
  std::copy_n(raw.k, 4, camera.k.begin());
  for (size_t row = 0; row < 3; ++row) {
    for (size_t column = 0; column < 3; ++column)
      camera.T_head_cam.rotation[3 * row + column] = raw.T_head_cam[4 * row + column];
    camera.T_head_cam.translation[row] = raw.T_head_cam[4 * row + 3];
  }
  camera.max_incidence_rad = raw.max_incidence;
  return camera;
}

void print_pose(const same::Pose& pose) {
  std::printf("%" PRId64 " %d", pose.timestamp_ns, static_cast<int>(pose.status));
  char separator = ' ';
  for (const same::Reason reason : pose.reasons) {
    std::printf("%c%s", separator, same::kReasonNames[static_cast<size_t>(reason)]);
    separator = ',';
  }
  std::printf("\n");
  for (size_t j = 0; j < pose.joints_world.size(); ++j)
    std::printf("  %-14s %a %a %a\n", same::kJointNames[j], pose.joints_world[j][0],
                pose.joints_world[j][1], pose.joints_world[j][2]);
}

same::Quaternion orientation(const raw_sample& raw) {
  const double* q = raw.orientation_xyzw;
  return {q[0], q[1], q[2], q[3]};
}

void put(same::Tracker& tracker, const raw_sample& raw) {
  const int device = static_cast<int>(raw.kind);
  const double* p = raw.position;
  const double* a = raw.acceleration;
  if (device < same::kNumPoseDevices)
    tracker.push_pose(device, raw.timestamp_ns, {{p[0], p[1], p[2]}, orientation(raw)},
                      raw.arrival_ns);
  else
    tracker.push_leg(device, raw.timestamp_ns, {{a[0], a[1], a[2]}, orientation(raw)},
                     raw.arrival_ns);
}

void replay(same::Tracker& tracker, const RawRecording& recording) {
  int refused = 0;
  for (const RawEvent& event : recording.events) {
    const raw_sample& raw = event.sample;
    try {
      if (raw.kind != RAW_FRAME) {
        put(tracker, raw);
        continue;
      }
      const int width = recording.cameras[0].width;
      same::StereoFrame frame{raw.timestamp_ns, {}};
      for (size_t view = 0; view < 2; ++view)
        if (event.images[view]) frame.images[view] = {event.images[view], width};
      tracker.put_frame(frame, raw.arrival_ns);
      if (const auto pose = tracker.step()) print_pose(*pose);
    } catch (const same::TimestampError&) {
      ++refused;
    } catch (const std::invalid_argument&) {
      ++refused;
    }
  }
  std::fprintf(stderr, "%d samples refused\n", refused);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::fprintf(stderr, "usage: replay_cpp BUNDLE RECORDING.raw [LIBONNXRUNTIME]\n");
    return 2;
  }
  const RawRecording recording = read_raw(argv[2]);
  const auto bundle = same::Bundle::open(argv[1]);
  const same::CameraRig rig{{camera(recording.cameras[0]), camera(recording.cameras[1])}};
  same::OnnxRuntimeOptions options;
  options.threads = 1;
  if (argc > 3) options.library = argv[3];
  same::Tracker tracker(same::open_onnxruntime_engine(bundle, options), rig,
                        bundle.network_inputs(), {});
  replay(tracker, recording);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "replay_cpp: %s\n", error.what());
  return 1;
}
