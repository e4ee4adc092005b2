// Bodies and devices as NumPy arrays, both ways; reasons as a tuple.
#pragma once

#include <algorithm>
#include <array>

#include "bindings.hpp"
#include "same/bone_lengths.hpp"
#include "same/pose.hpp"

namespace same::bindings {

inline py::array_t<double> read_only(py::array_t<double> copy) {
  py::detail::array_proxy(copy.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return copy;
}

// Rows of doubles, one a joint, in the memory of `owner`.
template <typename T>
py::array_t<double> rows_view(const std::array<T, kNumJoints>& rows, const py::handle& owner) {
  constexpr ssize_t columns = sizeof(T) / sizeof(double);
  return read_only_view<double>({kNumJoints, columns}, reinterpret_cast<const double*>(rows.data()),
                                owner);
}

template <typename T, size_t N>
py::array_t<double> read_only_copy(const std::array<T, N>& rows) {
  constexpr ssize_t columns = sizeof(T) / sizeof(double);
  return read_only(py::array_t<double>({static_cast<ssize_t>(N), columns},
                                       reinterpret_cast<const double*>(rows.data())));
}

// Vectors, or quaternions as they are. Throws ValueError for a wrong shape.
template <typename T>
std::array<T, kNumJoints> to_rows(const DoubleArray& array, const char* name) {
  constexpr ssize_t columns = sizeof(T) / sizeof(double);
  check_shape(array, name, {kNumJoints, columns});
  std::array<T, kNumJoints> rows;
  std::copy_n(array.data(), columns * kNumJoints, reinterpret_cast<double*>(rows.data()));
  return rows;
}

inline Joints to_joints(const DoubleArray& array, const char* name) {
  return to_rows<Vec3>(array, name);
}

inline BoneLengths to_lengths(const DoubleArray& array, const char* name) {
  check_shape(array, name, {kNumJoints});
  BoneLengths lengths;
  std::copy_n(array.data(), kNumJoints, lengths.begin());
  return lengths;
}

inline py::array_t<double> to_numpy(const BoneLengths& lengths) {
  return py::array_t<double>(kNumJoints, lengths.data());
}

inline py::array_t<double> to_numpy(const Joints& joints) {
  return py::array_t<double>({kNumJoints, 3}, joints[0].data());
}

inline DeviceOrientations to_orientations(const DoubleArray& array, const char* name) {
  check_shape(array, name, {kNumDevices, 4});
  DeviceOrientations devices;
  for (int device = 0; device < kNumDevices; ++device) {
    const double* q = array.data(device, 0);
    if (q[0] != 0 || q[1] != 0 || q[2] != 0 || q[3] != 0)
      devices[device] = Quaternion{q[0], q[1], q[2], q[3]};
  }
  return devices;
}

// (5, 4) xyzw, zeros where a device is missing.
inline py::array_t<double> to_numpy(const DeviceOrientations& devices) {
  py::array_t<double> all({kNumDevices, 4});
  for (int device = 0; device < kNumDevices; ++device) {
    double* out = all.mutable_data(device, 0);
    std::fill_n(out, 4, 0.0);
    if (devices[device]) std::copy_n(&devices[device]->x, 4, out);
  }
  return read_only(all);
}

py::typing::Tuple<Reason, py::ellipsis> to_tuple(const Reasons& reasons);

}  // namespace same::bindings
