// Columns of unequal width: the network sees the middle of the image, where legs and feet are,
// larger than its sides, where hands and elbows are.
#pragma once

namespace same {

constexpr bool is_column_zoom(double zoom) { return zoom >= 1.0 && zoom <= 4.0; }

// Where the network's image at `place` shows the camera's, both from -1 (left edge) to 1. Columns
// in the middle are `zoom` times as dense as evenly spaced ones; 1 spaces them evenly. Odd, so that
// mirrored images have mirrored columns.
constexpr double camera_place(double place, double zoom) {
  return place / zoom + (1.0 - 1.0 / zoom) * place * place * place;
}

}  // namespace same
