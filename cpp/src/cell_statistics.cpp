#include "same/cell_statistics.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "same/multiversion.hpp"

namespace same {
namespace {

constexpr int kBlock = 1024;

SAME_MULTIVERSION
void add_row(const float* pixels, int width, float* sums) {
  for (int x = 0; x < width; ++x) sums[x] += pixels[x];
}

}  // namespace

CellStatistics cell_statistics(const float* image, int height, int width, int rows, int columns,
                               double bright) {
  const int cell_height = std::max(1, height / rows), cell_width = std::max(1, width / columns);
  rows = height / cell_height;
  columns = width / cell_width;
  const double pixels = static_cast<double>(cell_height) * cell_width;
  const int used_width = columns * cell_width;
  std::array<float, kBlock> sums;  // of a row of cells, so many pixel columns at a time
  double total = 0.0, squares = 0.0;
  int brights = 0;
  for (int row = 0; row < rows; ++row) {
    double sum = 0.0;
    int summed = 0;  // pixel columns of the cell
    for (int left = 0; left < used_width; left += kBlock) {
      const int block = std::min(kBlock, used_width - left);
      std::fill_n(sums.begin(), block, 0.0f);
      for (int y = row * cell_height; y < (row + 1) * cell_height; ++y)
        add_row(image + static_cast<size_t>(y) * static_cast<size_t>(width) + left, block,
                sums.data());
      for (int x = 0; x < block; ++x) {
        sum += sums[x];
        if (++summed < cell_width) continue;
        const double mean = sum / pixels;
        total += mean;
        squares += mean * mean;
        brights += mean >= bright;
        sum = 0.0;
        summed = 0;
      }
    }
  }
  const double cells = static_cast<double>(rows) * columns, mean = total / cells;
  return {mean, std::sqrt(std::max(0.0, squares / cells - mean * mean)), brights / cells};
}

}  // namespace same
