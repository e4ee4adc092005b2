// Replays a raw recording through same::Tracker, frames by way of its inbox, and prints every pose
// as replay.c does.
//
//   replay_cpp BUNDLE RECORDING.raw [LIBONNXRUNTIME]
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <vector>

#include "raw_recording.h"
#include "same/bundle.hpp"
#include "same/onnxruntime_engine.hpp"
#include "same/stamp_errors.hpp"
#include "same/tracker.hpp"

namespace {

template <typename T>
bool read(std::ifstream& file, T& value) {
  return bool(file.read(reinterpret_cast<char*>(&value), sizeof value));
}

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

void replay(same::Tracker& tracker, std::ifstream& file, int width, int height) {
  const auto size = static_cast<size_t>(width) * static_cast<size_t>(height);
  std::vector<uint8_t> pixels(2 * size);
  int refused = 0;
  for (raw_sample raw; read(file, raw);) {
    same::StereoFrame frame{raw.timestamp_ns, {}};
    if (raw.kind > RAW_FRAME) throw std::runtime_error("expected what write_raw.py writes");
    for (size_t view = 0; raw.kind == RAW_FRAME && view < 2; ++view) {
      if (!(raw.images >> view & 1)) continue;
      uint8_t* const image = pixels.data() + view * size;
      if (!file.read(reinterpret_cast<char*>(image), static_cast<std::streamsize>(size)))
        throw std::runtime_error("the recording ends in an image");
      frame.images[view] = {image, width};
    }
    try {
      if (raw.kind != RAW_FRAME) {
        put(tracker, raw);
        continue;
      }
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
  std::ifstream file(argv[2], std::ios::binary);
  char magic[8];
  raw_camera cameras[2];
  if (!read(file, magic) || std::memcmp(magic, RAW_MAGIC, sizeof magic) != 0 ||
      !read(file, cameras))
    throw std::runtime_error("expected what write_raw.py writes");
  const auto bundle = same::Bundle::open(argv[1]);
  const same::CameraRig rig{{camera(cameras[0]), camera(cameras[1])}};
  same::OnnxRuntimeOptions options;
  options.threads = 1;
  if (argc > 3) options.library = argv[3];
  same::Tracker tracker(same::open_onnxruntime_engine(bundle, options), rig,
                        bundle.network_inputs(), {});
  replay(tracker, file, rig.cameras[0].width, rig.cameras[0].height);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "replay_cpp: %s\n", error.what());
  return 1;
}
