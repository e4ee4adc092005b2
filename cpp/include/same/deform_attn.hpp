// Host realisation of same::SpatialAwareDeformAttn (SAME paper, Eq. 3-4, up to linear maps).
#pragma once

namespace same {

struct DeformAttnShape {
  int views, channels, height, width;  // V, D, Hf, Wf
  int joints, heads, points;           // J, M, K
  int hidden, shell_points;            // H, N_s
};

// All arrays are float32 and C-contiguous.
struct DeformAttnInputs {
  const float* features;   // (V, D, Hf, Wf)
  const float* rays;       // (V, 3, Hf, Wf), cam_left axes; origin + ray * depth is the 3D point
  const float* origins;    // (V, 3), m, cam_left
  const float* locations;  // (V, J, M, K, 2), feature pixels (x, y), centres at integers
  const float* weights;    // (V, J, M, K)
  const float* depth;      // (V, J), m
  const float* w1;         // (H, 3 N_s), columns x0 y0 z0 x1 y1 z1 ...
  const float* b1;         // (H)
  float delta;             // half length of the shell, m
  bool pe_sum;             // leave the attention weights out of `position`
};

struct DeformAttnOutputs {
  float* sampled;   // (V, J, M, D)
  float* position;  // (V, J, M, H)
};

void spatial_aware_deform_attn(const DeformAttnShape& shape, const DeformAttnInputs& in,
                               const DeformAttnOutputs& out);

}  // namespace same
