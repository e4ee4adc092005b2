#include <algorithm>

#include "bindings.hpp"
#include "same/body.hpp"
#include "same/inertial_features.hpp"
#include "same/stream_gate.hpp"

namespace same::bindings {
namespace {

std::string shape_text(const ssize_t* begin, const ssize_t* end) {
  std::string text = "(";
  for (const ssize_t* size = begin; size != end; ++size)
    text += std::to_string(*size) + (size + 1 == end && size != begin ? "" : ", ");
  return text + ")";
}

void check_finite(const DoubleArray& array, const char* name) {
  if (!std::all_of(array.data(), array.data() + array.size(),
                   [](double value) { return std::isfinite(value); }))
    throw py::value_error(std::string(name) + ": expected finite values");
}

// What the core and Python must agree on: the core owns it.
void export_constants(py::module_& module) {
  module.attr("DEVICES") = py::cast(std::tuple_cat(kDeviceNames));
  module.attr("JOINT_NAMES") = py::cast(std::tuple_cat(kJointNames));
  module.attr("JOINT_PARENTS") = py::cast(std::tuple_cat(kJointParents));
  py::array_t<double> rest({kNumJoints, 3}, kRestOffsets[0].data());
  rest.attr("setflags")(py::arg("write") = false);
  module.attr("REST_OFFSETS_M") = rest;
  module.attr("NUM_POSE_DEVICES") = kNumPoseDevices;
  module.attr("FEATURE_DIM") = kFeatureDim;
  module.attr("MAX_TIMESTAMP_NS") = kMaxTimestampNs;
  module.attr("MAX_VELOCITY_GAP_NS") = kMaxVelocityGapNs;
  module.attr("MAX_POSITION_M") = kMaxPositionM;
  module.attr("MAX_ACCELERATION") = kMaxAcceleration;
  module.attr("MAX_NORM_ERROR") = kMaxNormError;
}

}  // namespace

int64_t checked_timestamp(int64_t timestamp_ns) {
  if (timestamp_ns < 0 || timestamp_ns >= kMaxTimestampNs)
    throw py::value_error("timestamp_ns: expected 0 <= nanoseconds < 2**62, got " +
                          std::to_string(timestamp_ns));
  return timestamp_ns;
}

void check_shape(const py::array& array, const char* name, std::initializer_list<ssize_t> shape) {
  if (array.ndim() == static_cast<ssize_t>(shape.size()) &&
      std::equal(shape.begin(), shape.end(), array.shape()))
    return;
  throw py::value_error(std::string(name) + ": expected shape " +
                        shape_text(shape.begin(), shape.end()) + ", got " +
                        shape_text(array.shape(), array.shape() + array.ndim()));
}

Vec3 to_vec3(const DoubleArray& array, const char* name) {
  check_shape(array, name, {3});
  check_finite(array, name);
  const double* v = array.data();
  return {v[0], v[1], v[2]};
}

Quaternion to_quaternion(const DoubleArray& array, const char* name) {
  check_shape(array, name, {4});
  check_finite(array, name);
  const double* v = array.data();
  const Quaternion q{v[0], v[1], v[2], v[3]};
  const double length = std::sqrt(dot(q, q));
  if (!(std::abs(length - 1.0) <= kMaxNormError))
    throw py::value_error(std::string(name) + ": expected a unit quaternion (xyzw), got norm " +
                          std::to_string(length));
  return normalised(q);
}

RigidTransform to_rigid_transform(const DoubleArray& array, const char* name) {
  check_shape(array, name, {4, 4});
  check_finite(array, name);
  const double* m = array.data();
  const RigidTransform T{{m[0], m[1], m[2], m[4], m[5], m[6], m[8], m[9], m[10]},
                         {m[3], m[7], m[11]}};
  const Mat3 product = T.rotation * transpose(T.rotation);
  double error = std::abs(m[12]) + std::abs(m[13]) + std::abs(m[14]) + std::abs(m[15] - 1);
  for (int i = 0; i < 9; ++i) error = std::max(error, std::abs(product[i] - (i % 4 == 0 ? 1 : 0)));
  const Vec3 x{m[0], m[4], m[8]}, y{m[1], m[5], m[9]}, z{m[2], m[6], m[10]};
  if (error > 1e-5 || dot(cross(x, y), z) < 0)
    throw py::value_error(std::string(name) + ": expected a rigid transform (4, 4)");
  return T;
}

float* writable_float32(py::array& array, const char* name, std::initializer_list<ssize_t> shape) {
  check_shape(array, name, shape);
  const bool contiguous = array.flags() & py::array::c_style;
  if (!py::isinstance<py::array_t<float>>(array) || !contiguous || !array.writeable())
    throw py::value_error(std::string(name) +
                          ": expected a writeable, C-contiguous float32 array, got dtype " +
                          py::str(array.dtype()).cast<std::string>());
  return static_cast<float*>(array.mutable_data());
}

void set_error(const char* name, const std::exception& error) {
  const py::object kind = py::module_::import("same_engines.errors").attr(name);
  PyErr_SetString(kind.ptr(), error.what());
}

py::array_t<double> to_numpy(const Vec3& v) { return py::array_t<double>(3, v.data()); }

py::array_t<double> to_numpy(const Quaternion& q) {
  const double values[4] = {q.x, q.y, q.z, q.w};
  return py::array_t<double>(4, values);
}

py::array_t<double> to_numpy(const RigidTransform& T) {
  py::array_t<double> matrix({4, 4});
  auto m = matrix.mutable_unchecked<2>();
  for (int row = 0; row < 3; ++row) {
    for (int col = 0; col < 3; ++col) m(row, col) = T.rotation[3 * row + col];
    m(row, 3) = T.translation[row];
    m(3, row) = 0;
  }
  m(3, 3) = 1;
  return matrix;
}

}  // namespace same::bindings

PYBIND11_MODULE(_core, module) {
  module.doc() =
      "Sample rings, device synchronisation, frame assembly, image preprocessing and the host\n"
      "form of the attention operator. Times are int64 nanoseconds, quaternions xyzw, lengths\n"
      "metres; frames and axes are those of same_runtime.conventions. Wrong shapes, dtypes or\n"
      "values raise ValueError and change nothing.";
  same::bindings::export_constants(module);
  same::bindings::bind_rings(module);
  same::bindings::bind_assembly(module);
  same::bindings::bind_camera(module);
  same::bindings::bind_ingestion(module);
  same::bindings::bind_frame_inbox(module);
  same::bindings::bind_kernels(module);
  same::bindings::bind_pose(module);
  same::bindings::bind_native(module);
  same::bindings::bind_skeleton(module);
  same::bindings::bind_prediction(module);
  same::bindings::bind_plausibility(module);
  same::bindings::bind_calibration(module);
  same::bindings::bind_finishing(module);
  same::bindings::bind_tracker(module);
}
