// Camera image to network input: area-averaging resize and normalisation in one pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "same/image_zoom.hpp"

namespace same {

// Immutable once built, so that threads may share one; calls do not allocate.
class ImagePreprocessor {
 public:
  // Right of an output column: in that input column, of which `share` lies left of it.
  struct Edge {
    int column;
    float share;
    float column_scale;  // 1 / (input columns that the output column covers)
  };

  static constexpr int kMaxInputWidth = 8192;  // bounds rows of sums, on the stack

  // Throws std::invalid_argument for sizes below 1, an output larger than the input in either
  // direction, an input wider than kMaxInputWidth, a std that is not positive, or a zoom
  // outside 1..4.
  ImagePreprocessor(int in_height, int in_width, int out_height, int out_width, double mean,
                    double std, ImageZoom zoom = {});

  // out (out_height, out_width) = (box average / 255 - mean) / std; `row_stride` in bytes.
  void operator()(const uint8_t* image, std::ptrdiff_t row_stride, float* out) const;

  int in_height() const { return in_height_; }
  int in_width() const { return in_width_; }
  int out_height() const { return out_height_; }
  int out_width() const { return out_width_; }

 private:
  // The input pixels [begin, begin + count) that one output pixel covers and their shares, which
  // start at `first_share` and sum to one.
  struct Span {
    int begin, count;
    size_t first_share;
  };
  struct Axis {
    std::vector<Span> spans;
    std::vector<float> shares;
  };

  static Axis even_axis(int in_size, int out_size);
  static Axis zoomed_axis(int in_size, int out_size, double zoom);
  void lay_columns(double zoom);
  void whole_boxes(const uint8_t* image, std::ptrdiff_t row_stride, float* out) const;
  void whole_rows(const uint8_t* image, std::ptrdiff_t row_stride, float* out) const;
  void partial_boxes(const uint8_t* image, std::ptrdiff_t row_stride, float* out) const;
  template <int kRows>
  void partial_rows(const uint8_t* image, std::ptrdiff_t row_stride, int first, float* out) const;

  int in_height_, in_width_, out_height_, out_width_;
  float scale_, offset_;
  Axis rows_;
  std::vector<Edge> edges_;          // out_width
  bool whole_rows_, whole_columns_;  // output pixels cover one whole number of input pixels
};

}  // namespace same
