// What drivers pass as positions, orientations and accelerations.
#pragma once

#include <array>
#include <cmath>
#include <string>
#include <string_view>

#include "bindings.hpp"
#include "same/stream_gate.hpp"

namespace same::bindings {

constexpr double kNoNumber = -1.0;  // Python's own sign that there may be an error

// Reads what drivers pass, float64 arrays and tuples of floats, without building an array.
template <size_t N>
std::array<double, N> read_vector(const py::handle& value, const char* name) {
  std::array<double, N> out;
  if (PyTuple_CheckExact(value.ptr()) && PyTuple_GET_SIZE(value.ptr()) == N) {
    for (size_t i = 0; i < N; ++i) {
      PyObject* const number = PyTuple_GET_ITEM(value.ptr(), static_cast<Py_ssize_t>(i));
      out[i] = PyBool_Check(number) ? kNoNumber : PyFloat_AsDouble(number);
      if (out[i] == kNoNumber && (PyBool_Check(number) || PyErr_Occurred())) {
        PyErr_Clear();
        throw py::value_error(std::string(name) + ": expected numbers");
      }
    }
  } else {
    // NumPy would make numbers of texts, truths and dates.
    const auto given = py::array::ensure(value);
    const bool are_numbers =
        given && std::string_view("fiu").find(given.dtype().kind()) != std::string_view::npos;
    const auto array = are_numbers ? DoubleArray::ensure(given) : DoubleArray();
    if (!are_numbers || !array) {
      PyErr_Clear();
      throw py::value_error(std::string(name) + ": expected " + std::to_string(N) + " numbers");
    }
    check_shape(array, name, {static_cast<ssize_t>(N)});
    std::copy_n(array.data(), N, out.begin());
  }
  for (const double x : out)
    if (!std::isfinite(x)) throw py::value_error(std::string(name) + ": expected finite values");
  return out;
}

inline Vec3 read_bounded(const py::handle& value, const char* name, double limit) {
  const Vec3 v = read_vector<3>(value, name);
  for (const double x : v)
    if (std::abs(x) > limit)
      throw py::value_error(std::string(name) + ": expected values within +-" +
                            std::to_string(static_cast<int>(limit)));
  return v;
}

inline Quaternion read_unit(const py::handle& value) {
  const auto v = read_vector<4>(value, "orientation_xyzw");
  const Quaternion q{v[0], v[1], v[2], v[3]};
  const double length = std::sqrt(dot(q, q));
  if (!(std::abs(length - 1.0) <= kMaxNormError))
    throw py::value_error("orientation_xyzw: expected a unit quaternion (xyzw), got norm " +
                          std::to_string(length));
  return normalised(q);
}

}  // namespace same::bindings
