// What the binding files share: their entry points and the checks at the Python edge.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "same/pose_math.hpp"

namespace same::bindings {

namespace py = pybind11;

void bind_rings(py::module_& module);
void bind_assembly(py::module_& module);
void bind_camera(py::module_& module);
void bind_frame_inbox(py::module_& module);
void bind_ingestion(py::module_& module);
void bind_kernels(py::module_& module);
void bind_calibration(py::module_& module);
void bind_finishing(py::module_& module);
void bind_plausibility(py::module_& module);
void bind_pose(py::module_& module);
void bind_prediction(py::module_& module);
void bind_native(py::module_& module);
void bind_skeleton(py::module_& module);
void bind_tracker(py::module_& module);

// Arguments that are read: anything NumPy converts.
using DoubleArray = py::array_t<double, py::array::c_style | py::array::forcecast>;
using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;

// Throws ValueError outside [0, 2**62): differences of two such times cannot overflow.
int64_t checked_timestamp(int64_t timestamp_ns);

// Throw ValueError for a wrong shape or non-finite values; a quaternion must be within 1 % of
// unit length and comes back normalised.
Vec3 to_vec3(const DoubleArray& array, const char* name);
Quaternion to_quaternion(const DoubleArray& array, const char* name);
RigidTransform to_rigid_transform(const DoubleArray& array, const char* name);

void check_shape(const py::array& array, const char* name, std::initializer_list<ssize_t> shape);

// The memory of an array that is written in place. Throws ValueError unless it is a writeable,
// C-contiguous float32 array of that shape.
float* writable_float32(py::array& array, const char* name, std::initializer_list<ssize_t> shape);

// Sets the Python error `name` of same_engines.errors with the text of `error`.
void set_error(const char* name, const std::exception& error);

py::array_t<double> to_numpy(const Vec3& v);
py::array_t<double> to_numpy(const Quaternion& q);
py::array_t<double> to_numpy(const RigidTransform& T);

// A view of memory that `owner` keeps alive; NumPy refuses writes to it.
template <typename T>
py::array_t<T> read_only_view(std::initializer_list<ssize_t> shape, const T* data,
                              const py::handle& owner) {
  py::array_t<T> view(py::array::ShapeContainer(shape), data, owner);
  py::detail::array_proxy(view.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return view;
}

}  // namespace same::bindings
