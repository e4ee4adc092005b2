#include "same/camera.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <stdexcept>
#include <string>

namespace same {
namespace {

constexpr int kNewtonSteps = 20;
constexpr int kLensChecks = 1024;
constexpr int kBisections = 40;
constexpr double kMaxRotationError = 1e-5;
constexpr double kRadiansPerDegree = std::numbers::pi / 180.0;
// Z rays nearer to the image plane than this would be endless.
constexpr double kMaxZIncidenceDegrees = 85.0;
// Cameras one over the other may be a little off each other.
constexpr double kMostCrossedM = 0.01;

bool within(double value, double limit) { return std::abs(value) <= limit; }  // NaN is not

template <typename... Values>
[[noreturn]] void refuse(const char* format, Values... values) {
  char text[400];
  std::snprintf(text, sizeof text, format, values...);
  throw std::invalid_argument(text);
}

void check_side(const char* name, int value) {
  if (value < 1 || value > FisheyeCamera::kLargestSide)
    refuse("%s: expected a whole number from 1 to %d, got %d", name, FisheyeCamera::kLargestSide,
           value);
}

void check_number(const char* name, double value) {
  if (!within(value, FisheyeCamera::kLargest))
    refuse("%s: expected a finite number within +-%g, got %g", name, FisheyeCamera::kLargest,
           value);
}

double determinant(const Mat3& m) {
  return dot(cross({m[0], m[1], m[2]}, {m[3], m[4], m[5]}), {m[6], m[7], m[8]});
}

void check_rigid(const char* name, const RigidTransform& T) {
  for (const double value : T.rotation) check_number(name, value);
  for (const double value : T.translation) check_number(name, value);
  const Mat3 product = T.rotation * transpose(T.rotation);
  bool orthonormal = true;
  for (size_t i = 0; i < product.size(); ++i)
    orthonormal = orthonormal && within(product[i] - (i % 4 == 0 ? 1.0 : 0.0), kMaxRotationError);
  if (!orthonormal || determinant(T.rotation) < 0)
    refuse("%s: expected a rigid transform (rotation, translation)", name);
}

// A calibration's rotation is one to a few digits only: its transpose would not undo it.
Mat3 inverse_of(const Mat3& m) {
  const Vec3 a{m[0], m[1], m[2]}, b{m[3], m[4], m[5]}, c{m[6], m[7], m[8]};
  const double scale = 1.0 / determinant(m);
  const Vec3 x = scale * cross(b, c), y = scale * cross(c, a), z = scale * cross(a, b);
  return {x[0], y[0], z[0], x[1], y[1], z[1], x[2], y[2], z[2]};
}

}  // namespace

void FisheyeCamera::validate() const {
  check_side("width", width);
  check_side("height", height);
  check_number("fx", fx);
  check_number("fy", fy);
  check_number("cx", cx);
  check_number("cy", cy);
  check_number("max_incidence", max_incidence_rad);
  for (const double coefficient : k) check_number("k (k1..k4)", coefficient);
  if (std::min(fx, fy) <= 0) refuse("camera: expected positive fx and fy, got %g and %g", fx, fy);
  if (max_incidence_rad <= 0 || max_incidence_rad > std::numbers::pi)
    refuse("max_incidence: expected radians in (0, pi], got %g", max_incidence_rad);
  if (const auto turn = turning_point())
    refuse(
        "k: the lens polynomial must increase up to max_incidence, %.4f rad, but turns at %.4f "
        "rad (%.1f degrees); give a max_incidence below that if the lens images no more, or "
        "calibrate with points nearer to the image's edge",
        max_incidence_rad, *turn, *turn / kRadiansPerDegree);
  check_rigid("T_head_cam", T_head_cam);
}

std::optional<double> FisheyeCamera::turning_point() const {
  const double step = max_incidence_rad / (kLensChecks - 1);
  for (int i = 1; i < kLensChecks; ++i) {
    double low = (i - 1) * step, high = i + 1 < kLensChecks ? i * step : max_incidence_rad;
    if (slope(high) > 0) continue;
    for (int bisection = 0; bisection < kBisections; ++bisection) {
      const double middle = 0.5 * (low + high);
      (slope(middle) <= 0 ? high : low) = middle;
    }
    return high;
  }
  return std::nullopt;
}

double FisheyeCamera::radius(double theta) const {
  const double t2 = theta * theta;
  return theta * (1 + t2 * (k[0] + t2 * (k[1] + t2 * (k[2] + t2 * k[3]))));
}

double FisheyeCamera::slope(double theta) const {
  const double t2 = theta * theta;
  return 1 + t2 * (3 * k[0] + t2 * (5 * k[1] + t2 * (7 * k[2] + t2 * 9 * k[3])));
}

FisheyeCamera::Projected FisheyeCamera::project(const Vec3& point_cam) const {
  const auto [x, y, z] = point_cam;
  const double rho = std::hypot(x, y);
  const double theta = std::atan2(rho, z);
  const double scale = radius(theta) / (rho > 0 ? rho : 1.0);
  const double u = fx * scale * x + cx, v = fy * scale * y + cy;
  const bool inside = u >= -0.5 && u <= width - 0.5 && v >= -0.5 && v <= height - 0.5;
  const bool somewhere = x != 0 || y != 0 || z != 0;
  return {{u, v}, inside && somewhere && theta <= max_incidence_rad};
}

FisheyeCamera::Ray FisheyeCamera::unproject(const Pixel& pixel) const {
  const double mx = (pixel[0] - cx) / fx, my = (pixel[1] - cy) / fy;
  const double distance = std::hypot(mx, my), edge = radius(max_incidence_rad);
  const double target = std::min(distance, edge);
  // Newton held inside a bracket: the polynomial increases on it, so this always converges.
  double low = 0.0, high = max_incidence_rad, theta = std::min(target, max_incidence_rad);
  for (int i = 0; i < kNewtonSteps; ++i) {
    const double error = radius(theta) - target;
    (error > 0 ? high : low) = theta;
    const double next = theta - error / slope(theta);
    const double better = next >= low && next <= high ? next : 0.5 * (low + high);
    if (better == theta) break;
    theta = better;
  }
  const double sine = std::sin(theta) / (distance > 0 ? distance : 1.0);
  return {{sine * mx, sine * my, std::cos(theta)}, distance <= edge};
}

void CameraRig::validate() const {
  for (int view = 0; view < kNumViews; ++view) try {
      cameras[static_cast<size_t>(view)].validate();
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(std::string("rig.") + kViewNames[static_cast<size_t>(view)] +
                                  ": " + error.what());
    }
  const auto& [left, right] = cameras;
  if (left.width != right.width || left.height != right.height)
    refuse("rig: both cameras must have one image size, got %dx%d and %dx%d", left.width,
           left.height, right.width, right.height);
}

void CameraRig::check_sides() const {
  const auto& [left, right] = cameras;
  const double across_m = left.T_head_cam.translation[0] - right.T_head_cam.translation[0];
  if (across_m > kMostCrossedM)
    refuse(
        "rig: expected the left camera to the left of the right one, got it %.3f m to its right "
        "(x of T_head_cam); are the two swapped, or is it T_cam_head?",
        across_m);
}

RigidTransform CameraRig::T_cam_left_cam_right() const {
  const RigidTransform& T_head_left = cameras[kLeftView].T_head_cam;
  const RigidTransform& T_head_right = cameras[kRightView].T_head_cam;
  const Mat3 R_left_head = inverse_of(T_head_left.rotation);
  return {R_left_head * T_head_right.rotation,
          R_left_head * (T_head_right.translation - T_head_left.translation)};
}

RayMap CameraRig::ray_map(int width, int height, DepthMode depth_mode, ImageZoom zoom) const {
  check_side("width", width);
  check_side("height", height);
  if (!is_zoom(zoom.columns))
    refuse("column_zoom: expected a number from 1 to 4, got %g", zoom.columns);
  if (!is_zoom(zoom.rows)) refuse("row_zoom: expected a number from 1 to 4, got %g", zoom.rows);
  const double least_z = std::cos(kMaxZIncidenceDegrees * kRadiansPerDegree);
  const size_t plane = static_cast<size_t>(width) * static_cast<size_t>(height);
  RayMap map;
  map.rays.resize(3 * kNumViews * plane);
  for (size_t view = 0; view < kNumViews; ++view) {
    const FisheyeCamera& camera = cameras[view];
    const RigidTransform T = view == kLeftView ? RigidTransform{} : T_cam_left_cam_right();
    for (size_t axis = 0; axis < 3; ++axis) {
      map.origins[3 * view + axis] = static_cast<float>(T.translation[axis]);
      map.axes[3 * view + axis] = static_cast<float>(T.rotation[3 * axis + 2]);
    }
    float* out = map.rays.data() + 3 * view * plane;
    for (int y = 0; y < height; ++y) {
      const double row = camera_place((2 * y + 1.0) / height - 1.0, zoom.rows);
      for (int x = 0; x < width; ++x, ++out) {
        const double column = camera_place((2 * x + 1.0) / width - 1.0, zoom.columns);
        const auto [direction, valid] = camera.unproject(
            {(1.0 + column) * 0.5 * camera.width - 0.5, (1.0 + row) * 0.5 * camera.height - 0.5});
        const bool z_depth = depth_mode == DepthMode::Z;
        if (!valid || (z_depth && direction[2] <= least_z)) continue;
        const Vec3 ray = T.rotation * ((z_depth ? 1.0 / direction[2] : 1.0) * direction);
        for (size_t axis = 0; axis < 3; ++axis) out[axis * plane] = static_cast<float>(ray[axis]);
      }
    }
  }
  return map;
}

}  // namespace same
