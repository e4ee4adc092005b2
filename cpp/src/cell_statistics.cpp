#include "same/cell_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "same/multiversion.hpp"

namespace same {
namespace {

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
  std::vector<float> sums(static_cast<size_t>(width));
  double total = 0.0, squares = 0.0;
  int brights = 0;
  for (int row = 0; row < rows; ++row) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (int y = row * cell_height; y < (row + 1) * cell_height; ++y)
      add_row(image + static_cast<size_t>(y) * static_cast<size_t>(width), width, sums.data());
    for (int column = 0; column < columns; ++column) {
      double sum = 0.0;
      for (int x = column * cell_width; x < (column + 1) * cell_width; ++x) sum += sums[x];
      const double mean = sum / pixels;
      total += mean;
      squares += mean * mean;
      brights += mean >= bright;
    }
  }
  const double cells = static_cast<double>(rows) * columns, mean = total / cells;
  return {mean, std::sqrt(std::max(0.0, squares / cells - mean * mean)), brights / cells};
}

}  // namespace same
