// Two cameras of 64 x 48 pixels, for programs that race or count the tracker.
#pragma once

#include "same/camera.hpp"

inline same::CameraRig small_rig() {
  same::FisheyeCamera camera;
  camera.width = 64;
  camera.height = 48;
  camera.fx = camera.fy = 20.0;
  camera.cx = 31.5;
  camera.cy = 23.5;
  camera.max_incidence_rad = 1.4;
  return {{camera, camera}};
}
