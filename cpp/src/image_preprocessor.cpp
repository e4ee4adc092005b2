#include "same/image_preprocessor.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "same/multiversion.hpp"

namespace same {
namespace {

// Largest box height whose column sums of uint8 fit uint16.
constexpr int kMaxWholeRows = 257;
// Rows that are averaged at once where columns differ in width.
constexpr int kLanes = 4;

SAME_MULTIVERSION
void sum_rows(const uint8_t* rows, std::ptrdiff_t row_stride, int count, int width,
              uint16_t* sums) {
  for (int x = 0; x < width; ++x) sums[x] = rows[x];
  for (int row = 1; row < count; ++row) {
    const uint8_t* pixels = rows + row * row_stride;
    for (int x = 0; x < width; ++x) sums[x] = static_cast<uint16_t>(sums[x] + pixels[x]);
  }
}

// The box width is a template argument so that the compiler turns the inner sum into shuffles.
template <int kBox>
inline void sum_columns_of(const uint16_t* sums, int width, float scale, float offset, float* out) {
  for (int x = 0; x < width; ++x) {
    int total = 0;
    for (int i = 0; i < kBox; ++i) total += sums[kBox * x + i];
    out[x] = static_cast<float>(total) * scale + offset;
  }
}

SAME_MULTIVERSION
void sum_columns(const uint16_t* sums, int box, int width, float scale, float offset, float* out) {
  switch (box) {
    case 1:
      return sum_columns_of<1>(sums, width, scale, offset, out);
    case 2:
      return sum_columns_of<2>(sums, width, scale, offset, out);
    case 4:
      return sum_columns_of<4>(sums, width, scale, offset, out);
    case 8:
      return sum_columns_of<8>(sums, width, scale, offset, out);
    default:
      break;
  }
  for (int x = 0; x < width; ++x) {
    int total = 0;
    for (int i = 0; i < box; ++i) total += sums[box * x + i];
    out[x] = static_cast<float>(total) * scale + offset;
  }
}

SAME_MULTIVERSION
void add_weighted_row(const uint8_t* pixels, float share, int width, float* sums) {
  for (int x = 0; x < width; ++x) sums[x] += share * static_cast<float>(pixels[x]);
}

// One row of out for each of kRows rows of sums, whose values of a column lie side by side.
template <int kRows, typename Total, typename Sum>
inline void average_columns_of(const Sum* sums, const ImagePreprocessor::Edge* edges, int width,
                               float scale, float offset, float* out) {
  float before[kRows] = {};
  int column = 0;
  for (int x = 0; x < width; ++x) {
    const auto& edge = edges[x];
    Total whole[kRows] = {};
    for (; column < edge.column; ++column)
      for (int row = 0; row < kRows; ++row) whole[row] += sums[column * kRows + row];
    float average[kRows];
    for (int row = 0; row < kRows; ++row) {
      const float part = edge.share * static_cast<float>(sums[column * kRows + row]);
      average[row] =
          (static_cast<float>(whole[row]) + part - before[row]) * (edge.column_scale * scale) +
          offset;
      before[row] = part;
    }
    for (int row = 0; row < kRows; ++row) out[row * width + x] = average[row];
  }
}

SAME_MULTIVERSION
void average_columns(const uint16_t* sums, const ImagePreprocessor::Edge* edges, int width,
                     float scale, float offset, float* out) {
  average_columns_of<kLanes, int32_t>(sums, edges, width, scale, offset, out);
}

SAME_MULTIVERSION
void average_columns(const float* sums, const ImagePreprocessor::Edge* edges, int width,
                     float scale, float offset, float* out) {
  average_columns_of<kLanes, float>(sums, edges, width, scale, offset, out);
}

// Right or lower edge of output pixel `i` - 1 of `out_size`, in input pixels.
double zoomed_edge(int i, int in_size, int out_size, double zoom) {
  const double place = camera_place(2.0 * i / out_size - 1.0, zoom);
  return std::clamp(0.5 * (1.0 + place) * in_size, 0.0, static_cast<double>(in_size));
}

}  // namespace

ImagePreprocessor::ImagePreprocessor(int in_height, int in_width, int out_height, int out_width,
                                     double mean, double std, ImageZoom zoom)
    : in_height_(in_height), in_width_(in_width), out_height_(out_height), out_width_(out_width) {
  if (out_height < 1 || out_width < 1)
    throw std::invalid_argument("out_height, out_width: expected at least 1");
  if (out_height > in_height || out_width > in_width)
    throw std::invalid_argument("out_height, out_width: expected at most the input's " +
                                std::to_string(in_height) + "x" + std::to_string(in_width) +
                                ", got " + std::to_string(out_height) + "x" +
                                std::to_string(out_width));
  if (in_width > kMaxInputWidth)
    throw std::invalid_argument("in_width: expected at most " + std::to_string(kMaxInputWidth) +
                                ", got " + std::to_string(in_width));
  if (!std::isfinite(mean) || !std::isfinite(std) || std <= 0)
    throw std::invalid_argument("mean, std: expected finite numbers, std > 0");
  if (!is_zoom(zoom.columns))
    throw std::invalid_argument("column_zoom: expected a number from 1 to 4");
  if (!is_zoom(zoom.rows)) throw std::invalid_argument("row_zoom: expected a number from 1 to 4");
  scale_ = static_cast<float>(1.0 / (255.0 * std));
  offset_ = static_cast<float>(-mean / std);
  rows_ = zoom.rows == 1.0 ? even_axis(in_height, out_height)
                           : zoomed_axis(in_height, out_height, zoom.rows);
  lay_columns(zoom.columns);
  whole_columns_ = zoom.columns == 1.0 && in_width % out_width == 0;
  whole_rows_ = zoom.rows == 1.0 && in_height % out_height == 0 &&
                in_height / out_height <= kMaxWholeRows && (whole_columns_ || out_height >= kLanes);
}

ImagePreprocessor::Axis ImagePreprocessor::even_axis(int in_size, int out_size) {
  Axis axis;
  for (int64_t i = 0; i < out_size; ++i) {
    // In units of 1 / out_size input pixels everything is an integer: no rounding at the edges.
    const int64_t low = i * in_size, high = low + in_size;
    const int begin = static_cast<int>(low / out_size);
    const int end = static_cast<int>((high + out_size - 1) / out_size);
    axis.spans.push_back({begin, end - begin, axis.shares.size()});
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      const int64_t covered =
          std::min(high, (pixel + 1) * out_size) - std::max(low, pixel * out_size);
      axis.shares.push_back(static_cast<float>(static_cast<double>(covered) / in_size));
    }
  }
  return axis;
}

ImagePreprocessor::Axis ImagePreprocessor::zoomed_axis(int in_size, int out_size, double zoom) {
  Axis axis;
  double before = 0.0;
  for (int i = 1; i <= out_size; ++i) {
    const double edge = zoomed_edge(i, in_size, out_size, zoom);
    const int begin = static_cast<int>(before);
    const int end = std::min(in_size, static_cast<int>(std::ceil(edge)));
    axis.spans.push_back({begin, end - begin, axis.shares.size()});
    for (int pixel = begin; pixel < end; ++pixel) {
      const double covered = std::min(edge, pixel + 1.0) - std::max(before, 1.0 * pixel);
      axis.shares.push_back(static_cast<float>(covered / (edge - before)));
    }
    before = edge;
  }
  return axis;
}

void ImagePreprocessor::lay_columns(double zoom) {
  double before = 0.0;
  for (int i = 1; i <= out_width_; ++i) {
    const double edge = zoomed_edge(i, in_width_, out_width_, zoom);
    const double column = std::floor(edge);
    edges_.push_back({static_cast<int>(column), static_cast<float>(edge - column),
                      static_cast<float>(1.0 / (edge - before))});
    before = edge;
  }
}

void ImagePreprocessor::operator()(const uint8_t* image, std::ptrdiff_t row_stride,
                                   float* out) const {
  if (!whole_rows_) return partial_boxes(image, row_stride, out);
  whole_columns_ ? whole_boxes(image, row_stride, out) : whole_rows(image, row_stride, out);
}

void ImagePreprocessor::whole_boxes(const uint8_t* image, std::ptrdiff_t row_stride,
                                    float* out) const {
  const int box_height = in_height_ / out_height_, box_width = in_width_ / out_width_;
  const float scale = scale_ / static_cast<float>(box_height * box_width);
  uint16_t sums[kMaxInputWidth];
  for (int y = 0; y < out_height_; ++y) {
    sum_rows(image + static_cast<std::ptrdiff_t>(y) * box_height * row_stride, row_stride,
             box_height, in_width_, sums);
    sum_columns(sums, box_width, out_width_, scale, offset_,
                out + static_cast<size_t>(y) * static_cast<size_t>(out_width_));
  }
}

void ImagePreprocessor::whole_rows(const uint8_t* image, std::ptrdiff_t row_stride,
                                   float* out) const {
  const int box_height = in_height_ / out_height_;
  const float scale = scale_ / static_cast<float>(box_height);
  uint16_t row_sums[kMaxInputWidth];
  uint16_t sums[(kMaxInputWidth + 1) * kLanes];
  std::fill_n(sums + in_width_ * kLanes, kLanes, uint16_t{0});
  for (int y = 0; y < out_height_; y += kLanes) {
    // The last rows partly once more where their number is no multiple.
    const int first = std::min(y, out_height_ - kLanes);
    for (int lane = 0; lane < kLanes; ++lane) {
      sum_rows(image + static_cast<std::ptrdiff_t>(first + lane) * box_height * row_stride,
               row_stride, box_height, in_width_, row_sums);
      for (int x = 0; x < in_width_; ++x) sums[x * kLanes + lane] = row_sums[x];
    }
    average_columns(sums, edges_.data(), out_width_, scale, offset_,
                    out + static_cast<std::ptrdiff_t>(first) * out_width_);
  }
}

void ImagePreprocessor::partial_boxes(const uint8_t* image, std::ptrdiff_t row_stride,
                                      float* out) const {
  if (out_height_ < kLanes) {
    for (int y = 0; y < out_height_; ++y) partial_rows<1>(image, row_stride, y, out);
    return;
  }
  for (int y = 0; y < out_height_; y += kLanes)
    partial_rows<kLanes>(image, row_stride, std::min(y, out_height_ - kLanes), out);
}

template <int kRows>
void ImagePreprocessor::partial_rows(const uint8_t* image, std::ptrdiff_t row_stride, int first,
                                     float* out) const {
  float row_sums[kMaxInputWidth];
  float sums[(kMaxInputWidth + 1) * kRows];
  std::fill_n(sums + in_width_ * kRows, kRows, 0.0f);
  for (int row = 0; row < kRows; ++row) {
    const Span& span = rows_.spans[first + row];
    std::fill_n(row_sums, in_width_, 0.0f);
    for (int i = 0; i < span.count; ++i)
      add_weighted_row(image + (span.begin + i) * row_stride, rows_.shares[span.first_share + i],
                       in_width_, row_sums);
    for (int x = 0; x < in_width_; ++x) sums[x * kRows + row] = row_sums[x];
  }
  out += static_cast<std::ptrdiff_t>(first) * out_width_;
  if constexpr (kRows == kLanes)
    average_columns(sums, edges_.data(), out_width_, scale_, offset_, out);
  else
    average_columns_of<kRows, float>(sums, edges_.data(), out_width_, scale_, offset_, out);
}

}  // namespace same
