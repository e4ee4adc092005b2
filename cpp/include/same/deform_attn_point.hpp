// The maths of one sampling point of the spatially aware deformable attention (SAME paper,
// Eq. 3-4). Plain functions without the standard library: C++ and CUDA include the same file.
#pragma once

#if defined(__CUDACC__)
#define SAME_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define SAME_HOST_DEVICE inline
#endif

namespace same {

// The four map cells around a point; a cell outside the map has weight 0 and a legal offset.
struct BilinearTaps {
  int offset[4];
  float weight[4];
};

// (x, y): pixels, centres at integers. Any value is safe, NaN included: outside means zero.
SAME_HOST_DEVICE BilinearTaps bilinear_taps(float x, float y, int width, int height) {
  BilinearTaps taps = {{0, 0, 0, 0}, {0.0f, 0.0f, 0.0f, 0.0f}};
  if (!(x > -1.0f && x < static_cast<float>(width) && y > -1.0f && y < static_cast<float>(height)))
    return taps;
  // Truncation rounds up below zero; adding one first instead would round at the far edge.
  const int x0 = static_cast<int>(x) - (x < 0.0f), y0 = static_cast<int>(y) - (y < 0.0f);
  const float fx = x - static_cast<float>(x0), fy = y - static_cast<float>(y0);
  const bool left = x0 >= 0, right = x0 + 1 < width, top = y0 >= 0, bottom = y0 + 1 < height;
  const int column0 = left ? x0 : 0, column1 = right ? x0 + 1 : x0;
  const int row0 = (top ? y0 : 0) * width, row1 = (bottom ? y0 + 1 : y0) * width;
  taps.offset[0] = row0 + column0;
  taps.offset[1] = row0 + column1;
  taps.offset[2] = row1 + column0;
  taps.offset[3] = row1 + column1;
  taps.weight[0] = top && left ? (1.0f - fx) * (1.0f - fy) : 0.0f;
  taps.weight[1] = top && right ? fx * (1.0f - fy) : 0.0f;
  taps.weight[2] = bottom && left ? (1.0f - fx) * fy : 0.0f;
  taps.weight[3] = bottom && right ? fx * fy : 0.0f;
  return taps;
}

// `plane`: one channel of the map; `stride`: distance between its cells (1 when channels first).
template <typename Scalar>
SAME_HOST_DEVICE float gather(const Scalar* plane, const BilinearTaps& taps, int stride = 1) {
  return taps.weight[0] * static_cast<float>(plane[taps.offset[0] * stride]) +
         taps.weight[1] * static_cast<float>(plane[taps.offset[1] * stride]) +
         taps.weight[2] * static_cast<float>(plane[taps.offset[2] * stride]) +
         taps.weight[3] * static_cast<float>(plane[taps.offset[3] * stride]);
}

// Distance of shell point `i` from the shell's middle, metres: `count` points over [-delta, delta].
SAME_HOST_DEVICE float shell_offset(int i, int count, float delta) {
  return count == 1 ? 0.0f
                    : delta * (2.0f * static_cast<float>(i) / static_cast<float>(count - 1) - 1.0f);
}

// The N_s points origin + ray r_i are linear in r_i, so the first layer needs none of them:
//   W1 Theta + b1 = (sum_i W1_i) (origin + ray d) + (sum_i (r_i - d) W1_i) ray + b1
//                 = base + slope . ray
// Both sums are constants of the network: a point costs three products per hidden unit, not 3 N_s.
// `w_sum` and `w_offset` are one unit's entries of the two sums.
SAME_HOST_DEVICE float shell_base(const float w_sum[3], float bias, const float origin[3]) {
  return bias + w_sum[0] * origin[0] + w_sum[1] * origin[1] + w_sum[2] * origin[2];
}

// One axis of a unit's slope.
SAME_HOST_DEVICE float shell_slope(float w_sum, float w_offset, float depth) {
  return w_sum * depth + w_offset;
}

// ReLU(base + slope . ray)
SAME_HOST_DEVICE float shell_hidden(float base, float slope_x, float slope_y, float slope_z,
                                    const float ray[3]) {
  const float value = base + slope_x * ray[0] + slope_y * ray[1] + slope_z * ray[2];
  return value > 0.0f ? value : 0.0f;
}

}  // namespace same
