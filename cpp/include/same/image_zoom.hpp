// Columns and rows of unequal size: the network sees the middle of the image, where legs and feet
// are, larger than its sides, where hands and elbows are.
#pragma once

namespace same {

// How many times as dense as evenly spaced ones the columns and rows in the middle are, 1 to 4; 1
// spaces them evenly.
struct ImageZoom {
  double columns = 1.0, rows = 1.0;
};

constexpr bool is_zoom(double zoom) { return zoom >= 1.0 && zoom <= 4.0; }

// Where the network's image at `place` shows the camera's, both from -1 (left or upper edge) to 1.
// Odd, so that mirrored images have mirrored columns.
constexpr double camera_place(double place, double zoom) {
  return place / zoom + (1.0 - 1.0 / zoom) * place * place * place;
}

}  // namespace same
