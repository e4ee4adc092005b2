// What whoever feeds a network needs to know of it beside its tensors.
#pragma once

#include "same/camera.hpp"

namespace same {

struct NetworkInputs {
  double image_mean = 0.0, image_std = 1.0;  // in shares of white
  DepthMode depth_mode = DepthMode::RANGE;
  ImageZoom zoom{};
  bool reads_straps = false;  // whether it may be told that leg straps were measured
};

}  // namespace same
