// CUDA realisation of same::SpatialAwareDeformAttn (SAME paper, Eq. 3-4, up to linear maps).
// Free of headers other than the shared maths, so that nvcc and NVRTC both compile it.
#pragma once

#include "same/deform_attn_point.hpp"

namespace same {

template <typename Scalar>
__device__ __forceinline__ Scalar to_scalar(float value);
template <>
__device__ __forceinline__ float to_scalar<float>(float value) {
  return value;
}

#if defined(__CUDACC__)
// IEEE half with its conversions in PTX: cuda_fp16.h is not there wherever NVRTC is.
struct Half {
  unsigned short bits;
  __device__ __forceinline__ operator float() const {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
  }
};

template <>
__device__ __forceinline__ Half to_scalar<Half>(float value) {
  Half half;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half.bits) : "f"(value));
  return half;
}
#endif

// One sampling point as all threads of a block read it.
struct alignas(16) SharedPoint {
  BilinearTaps taps;
  float attention;
  float ray[3];
};

// A hidden unit's two rows of constants (see deform_attn_point.hpp) from its row of w1.
template <typename Scalar>
__device__ __forceinline__ void shell_sums(const Scalar* row, int shell_points, float delta,
                                           float w_sum[3], float w_offset[3]) {
  for (int axis = 0; axis < 3; ++axis) w_sum[axis] = w_offset[axis] = 0.0f;
#pragma unroll 8
  for (int i = 0; i < shell_points; ++i) {
    const float offset = shell_offset(i, shell_points, delta);
#pragma unroll
    for (int axis = 0; axis < 3; ++axis) {
      const float w = static_cast<float>(row[3 * i + axis]);
      w_sum[axis] += w;
      w_offset[axis] += w * offset;
    }
  }
}

// One block per (view, joint, head). First the block's points go to shared memory, then each
// thread owns channels of `sampled` and units of `position`. Shapes as in same/deform_attn.hpp,
// except that `channels_last` takes features as (V, Hf, Wf, D): four taps are then four rows.
// Dynamic shared memory: points * sizeof(SharedPoint).
template <typename Scalar>
__device__ __forceinline__ void deform_attn_block(
    const Scalar* __restrict__ features, const float* __restrict__ rays,
    const float* __restrict__ origins, const float* __restrict__ locations,
    const Scalar* __restrict__ weights, const float* __restrict__ depth,
    const Scalar* __restrict__ w1, const Scalar* __restrict__ b1, Scalar* __restrict__ sampled,
    Scalar* __restrict__ position, int channels, int height, int width, int joints, int heads,
    int points, int hidden, int shell_points, float delta, int pe_sum, int channels_last) {
  extern __shared__ SharedPoint shared_points[];
  const int row = static_cast<int>(blockIdx.x);
  const int view_joint = row / heads, view = view_joint / joints;
  const int plane_size = height * width;
  const long long first_point = static_cast<long long>(row) * points;
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);

  const float* view_rays = rays + static_cast<long long>(view) * 3 * plane_size;
  for (int k = thread; k < points; k += threads) {
    const float* xy = locations + 2 * (first_point + k);
    SharedPoint point;
    point.taps = bilinear_taps(xy[0], xy[1], width, height);
    point.attention = static_cast<float>(weights[first_point + k]);
#pragma unroll
    for (int axis = 0; axis < 3; ++axis)
      point.ray[axis] = gather(view_rays + axis * plane_size, point.taps);
    shared_points[k] = point;
  }
  __syncthreads();

  const Scalar* view_features = features + static_cast<long long>(view) * channels * plane_size;
  const int channel_step = channels_last ? 1 : plane_size;
  const int cell_step = channels_last ? channels : 1;
  for (int item = thread; item < channels + hidden; item += threads) {
    float total = 0.0f;
    if (item < channels) {
      const Scalar* plane = view_features + static_cast<long long>(item) * channel_step;
#pragma unroll 4
      for (int k = 0; k < points; ++k)
        total += shared_points[k].attention * gather(plane, shared_points[k].taps, cell_step);
      sampled[static_cast<long long>(row) * channels + item] = to_scalar<Scalar>(total);
    } else {
      const int unit = item - channels;
      float w_sum[3], w_offset[3], slope[3];
      shell_sums(w1 + 3 * shell_points * unit, shell_points, delta, w_sum, w_offset);
      const float base = shell_base(w_sum, static_cast<float>(b1[unit]), origins + 3 * view);
#pragma unroll
      for (int axis = 0; axis < 3; ++axis)
        slope[axis] = shell_slope(w_sum[axis], w_offset[axis], depth[view_joint]);
#pragma unroll 4
      for (int k = 0; k < points; ++k)
        total += (pe_sum ? 1.0f : shared_points[k].attention) *
                 shell_hidden(base, slope[0], slope[1], slope[2], shared_points[k].ray);
      position[static_cast<long long>(row) * hidden + unit] = to_scalar<Scalar>(total);
    }
  }
}

}  // namespace same

#define SAME_DEFORM_ATTN_KERNEL(NAME, SCALAR)                                                      \
  extern "C" __global__ void NAME(const SCALAR* features, const float* rays, const float* origins, \
                                  const float* locations, const SCALAR* weights,                   \
                                  const float* depth, const SCALAR* w1, const SCALAR* b1,          \
                                  SCALAR* sampled, SCALAR* position, int channels, int height,     \
                                  int width, int joints, int heads, int points, int hidden,        \
                                  int shell_points, float delta, int pe_sum, int channels_last) {  \
    same::deform_attn_block(features, rays, origins, locations, weights, depth, w1, b1, sampled,   \
                            position, channels, height, width, joints, heads, points, hidden,      \
                            shell_points, delta, pe_sum, channels_last);                           \
  }

SAME_DEFORM_ATTN_KERNEL(same_deform_attn_fp32, float)
#if defined(__CUDACC__)
SAME_DEFORM_ATTN_KERNEL(same_deform_attn_fp16, same::Half)
#endif
