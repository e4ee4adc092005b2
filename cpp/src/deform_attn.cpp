#include "same/deform_attn.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "channels_last.hpp"
#include "same/deform_attn_point.hpp"
#include "same/multiversion.hpp"

namespace same {
namespace {

// One sampling point: where it falls on the map, how much it counts, and its viewing ray.
struct Point {
  BilinearTaps taps;
  float attention;
  float ray[3];
};

// The constant sums of deform_attn_point.hpp: three rows of H, one row per axis.
struct ShellSums {
  std::vector<float> w_sum, w_offset;
};

ShellSums shell_sums(const DeformAttnShape& shape, const DeformAttnInputs& in) {
  const size_t units = static_cast<size_t>(shape.hidden);
  ShellSums sums{std::vector<float>(3 * units), std::vector<float>(3 * units)};
  for (size_t unit = 0; unit < units; ++unit) {
    for (size_t axis = 0; axis < 3; ++axis) {
      double sum = 0, offset = 0;
      for (int i = 0; i < shape.shell_points; ++i) {
        const double w =
            in.w1[3 * (unit * static_cast<size_t>(shape.shell_points) + static_cast<size_t>(i)) +
                  axis];
        sum += w;
        offset += w * shell_offset(i, shape.shell_points, in.delta);
      }
      sums.w_sum[axis * units + unit] = static_cast<float>(sum);
      sums.w_offset[axis * units + unit] = static_cast<float>(offset);
    }
  }
  return sums;
}

// Of this many channels at once: a few vectors, and their part of the map stays in a near cache.
constexpr size_t kBlock = 16;

inline void add_cell(const Point& point, int tap, const float* map, float* total) {
  const float weight = point.attention * point.taps.weight[tap];
  const float* cell = map + kBlock * static_cast<size_t>(point.taps.offset[tap]);
  for (size_t c = 0; c < kBlock; ++c) total[c] += weight * cell[c];
}

SAME_MULTIVERSION
void sample_features(const DeformAttnShape& shape, const float* features,
                     const std::vector<Point>& points, std::vector<float>& map, float* sampled) {
  const size_t plane_size = static_cast<size_t>(shape.height) * static_cast<size_t>(shape.width);
  const size_t per_head = static_cast<size_t>(shape.points);
  const size_t channels = static_cast<size_t>(shape.channels);
  for (size_t first = 0; first < channels; first += kBlock) {
    const size_t count = std::min(kBlock, channels - first);
    channels_last(features + first * plane_size, count, plane_size, map.data(), kBlock);
    for (size_t head = 0; head < points.size() / per_head; ++head) {
      float total[kBlock] = {};
      for (size_t k = head * per_head; k < (head + 1) * per_head; ++k) {
        const Point& point = points[k];
        // Written out: compilers leave a loop over the four without vectors.
        add_cell(point, 0, map.data(), total);
        add_cell(point, 1, map.data(), total);
        add_cell(point, 2, map.data(), total);
        add_cell(point, 3, map.data(), total);
      }
      std::copy_n(total, count, sampled + head * channels + first);
    }
  }
}

SAME_MULTIVERSION
void add_hidden(int units, const float* base, const float* slopes, const float* ray, float weight,
                float* position) {
  const float *slope_x = slopes, *slope_y = slopes + units, *slope_z = slopes + 2 * units;
  for (int unit = 0; unit < units; ++unit)
    position[unit] +=
        weight * shell_hidden(base[unit], slope_x[unit], slope_y[unit], slope_z[unit], ray);
}

}  // namespace

void spatial_aware_deform_attn(const DeformAttnShape& shape, const DeformAttnInputs& in,
                               const DeformAttnOutputs& out) {
  const size_t plane_size = static_cast<size_t>(shape.height) * static_cast<size_t>(shape.width);
  const size_t channels = static_cast<size_t>(shape.channels);
  const size_t units = static_cast<size_t>(shape.hidden);
  const size_t joints = static_cast<size_t>(shape.joints);
  const size_t heads = static_cast<size_t>(shape.heads);
  const size_t per_head = static_cast<size_t>(shape.points);
  const size_t per_view = joints * heads * per_head;

  const ShellSums sums = shell_sums(shape, in);
  std::vector<Point> points(per_view);
  std::vector<float> map(plane_size * kBlock);
  std::vector<float> base(units), slopes(3 * units);
  std::fill_n(out.position, static_cast<size_t>(shape.views) * joints * heads * units, 0.0f);

  for (size_t view = 0; view < static_cast<size_t>(shape.views); ++view) {
    const float* rays = in.rays + view * 3 * plane_size;
    for (size_t k = 0; k < per_view; ++k) {
      const float* xy = in.locations + 2 * (view * per_view + k);
      Point& point = points[k];
      point.taps = bilinear_taps(xy[0], xy[1], shape.width, shape.height);
      point.attention = in.weights[view * per_view + k];
      for (size_t axis = 0; axis < 3; ++axis)
        point.ray[axis] = gather(rays + axis * plane_size, point.taps);
    }
    sample_features(shape, in.features + view * channels * plane_size, points, map,
                    out.sampled + view * joints * heads * channels);

    for (size_t unit = 0; unit < units; ++unit) {
      const float w_sum[3] = {sums.w_sum[unit], sums.w_sum[units + unit],
                              sums.w_sum[2 * units + unit]};
      base[unit] = shell_base(w_sum, in.b1[unit], in.origins + 3 * view);
    }
    for (size_t joint = 0; joint < joints; ++joint) {
      const float depth = in.depth[view * joints + joint];
      for (size_t i = 0; i < 3 * units; ++i)
        slopes[i] = shell_slope(sums.w_sum[i], sums.w_offset[i], depth);
      for (size_t head = joint * heads; head < (joint + 1) * heads; ++head) {
        float* position = out.position + (view * joints * heads + head) * units;
        for (size_t k = head * per_head; k < (head + 1) * per_head; ++k)
          add_hidden(shape.hidden, base.data(), slopes.data(), points[k].ray,
                     in.pe_sum ? 1.0f : points[k].attention, position);
      }
    }
  }
}

}  // namespace same
