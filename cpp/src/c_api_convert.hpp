// Between the structs of same.h and those of the tracker.
#pragma once

#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>

#include "same/onnxruntime_engine.hpp"
#include "same/same.h"
#include "same/tracker.hpp"

namespace same::c_api {

// Before it said why measuring the leg straps failed.
constexpr size_t kFirstCalibrationSize = offsetof(same_calibration, legs_failure);

// A struct of the caller's in full: fields that its version of the header did not know have the
// values of `defaults`. Throws std::invalid_argument for NULL and for a size that no version had.
template <typename Struct>
Struct read(const char* name, const Struct* given, size_t smallest, Struct defaults = {}) {
  if (!given) throw std::invalid_argument(std::string(name) + ": expected a struct, got NULL");
  const size_t size = given->size;
  if (size < smallest || size > sizeof(Struct))
    throw std::invalid_argument(std::string(name) + ".size: expected " + std::to_string(smallest) +
                                ".." + std::to_string(sizeof(Struct)) + " bytes, got " +
                                std::to_string(size) + "; call same_" + name + "_init first");
  std::memcpy(&defaults, given, size);
  return defaults;
}

// Writes what the caller's version of the struct has room for; its size stays.
template <typename Struct>
void write(const Struct& full, Struct* given) {
  const uint32_t size = given->size;
  std::memcpy(given, &full, size);
  given->size = size;
}

// Throws std::invalid_argument for another number than 0 and 1.
bool to_flag(const char* name, int32_t value);
Quaternion to_quaternion(const double* xyzw);
Vec3 to_vec3(const double* v);
CameraRig to_rig(const same_rig& rig);
same_rig from_rig(const CameraRig& rig);
TrackerOptions to_options(const same_options& options);
OnnxRuntimeOptions to_engine_options(const same_options& options);
LiveOptions to_live_options(const same_live_options& options);
StereoFrame to_frame(const same_frame& frame);
Readings to_readings(const same_readings& readings);
same_pose from_pose(const Pose& pose);
same_stats from_stats(const TrackerStats& stats);
same_calibration from_calibration(const Calibration& calibration);

// The defaults that same_..._init() gives.
same_options default_options();
same_live_options default_live_options();

}  // namespace same::c_api
