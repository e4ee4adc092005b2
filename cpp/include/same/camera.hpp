// Fisheye cameras of the headset: Kannala-Brandt lens model, rig and ray maps.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "same/image_zoom.hpp"
#include "same/pose_math.hpp"
#include "same/views.hpp"

namespace same {

using Pixel = std::array<double, 2>;  // x, y; pixel centres are at integers

// One calibrated camera (as OpenCV's `fisheye` module). A point at incidence angle theta lands at
// radius theta + k1 theta^3 + k2 theta^5 + k3 theta^7 + k4 theta^9 times the focal length: Kannala
// and Brandt, "A generic camera model and calibration method", 2006.
struct FisheyeCamera {
  static constexpr int kLargestSide = 4096;
  static constexpr double kLargest = 1e6;  // of every other number

  struct Projected {
    Pixel pixel;
    bool valid;  // within max_incidence and inside the image
  };
  struct Ray {
    Vec3 direction;  // unit, camera frame
    bool valid;      // false beyond max_incidence, where the ray is that of the lens's edge
  };

  // Throws std::invalid_argument, which names what is off: no finite numbers or too large ones,
  // non-positive sizes or focal lengths, a lens polynomial that does not increase up to
  // max_incidence, or a T_head_cam that is not rigid.
  void validate() const;

  // Of camera-frame points in metres, also those beside or behind the image plane.
  Projected project(const Vec3& point_cam) const;
  Ray unproject(const Pixel& pixel) const;

  int width = 0, height = 0;     // pixels
  double fx = 0, fy = 0;         // pixels
  double cx = 0, cy = 0;         // pixels
  std::array<double, 4> k{};     // k1..k4
  RigidTransform T_head_cam;     // camera (OpenCV axes) to headset (OpenXR axes), metres
  double max_incidence_rad = 0;  // the largest that the lens images; may exceed pi/2

 private:
  double radius(double theta) const;
  double slope(double theta) const;
  // The incidence at which the radius stops increasing; none if that is beyond max_incidence.
  std::optional<double> turning_point() const;
};

// What a depth of the network means: metres along the ray, or along the camera's axis.
enum class DepthMode { RANGE, Z };

// Viewing rays per feature pixel, left-camera frame; views in order.
struct RayMap {
  std::vector<float> rays;                     // (2, 3, height, width); zero where there is none
  std::array<float, 3 * kNumViews> origins{};  // (2, 3), metres: the camera centres
  std::array<float, 3 * kNumViews> axes{};     // (2, 3): the optical axes
};

// The cameras of one headset. The left one's frame is the one that poses are estimated in.
struct CameraRig {
  std::array<FisheyeCamera, kNumViews> cameras;

  // Throws std::invalid_argument for a bad camera or two image sizes.
  void validate() const;
  // Throws std::invalid_argument for a left camera that is to the right of the right one. For who
  // uses a rig; files that have one can be read all the same, to be put right.
  void check_sides() const;

  RigidTransform T_cam_left_cam_right() const;

  // For a feature map of that size over the whole image, its columns and rows as dense as `zoom`
  // says. RANGE gives unit rays, Z rays with z = 1 in their own camera. A pixel
  // that the lens does not image has a zero ray, and for Z also one at or behind the image plane.
  // Throws std::invalid_argument for sizes outside 1..kLargestSide, or a zoom outside 1..4.
  RayMap ray_map(int width, int height, DepthMode depth_mode, ImageZoom zoom = {}) const;
};

}  // namespace same
