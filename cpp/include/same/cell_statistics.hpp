// How much an image shows: the spread of the means over a grid of cells.
#pragma once

namespace same {

struct CellStatistics {
  double mean, std;     // of the cells' means
  double bright_share;  // of the cells, those whose mean is `bright` or more
};

// image (height, width), divided into about rows x columns cells of equal whole size; what is over
// at the bottom and on the right is left out. All sizes at least 1.
CellStatistics cell_statistics(const float* image, int height, int width, int rows, int columns,
                               double bright);

}  // namespace same
