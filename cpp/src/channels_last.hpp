// Planes of a map side by side, cell by cell: what is read at one cell then lies in one line.
#pragma once

#include <cstddef>
#include <cstring>

namespace same {

#if defined(__GNUC__)

// The four-by-four block of `planes`, which are `cells` apart, to rows of `out` that are `row`
// apart.
inline void transpose_block(const float* planes, size_t cells, float* out, size_t row) {
  using Four = float __attribute__((vector_size(16)));
  Four a, b, c, d;
  std::memcpy(&a, planes, sizeof a);
  std::memcpy(&b, planes + cells, sizeof b);
  std::memcpy(&c, planes + 2 * cells, sizeof c);
  std::memcpy(&d, planes + 3 * cells, sizeof d);
  const Four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  const Four ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const Four cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  const Four rows[] = {__builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5),
                       __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7),
                       __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5),
                       __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7)};
  for (size_t i = 0; i < 4; ++i) std::memcpy(out + i * row, &rows[i], sizeof rows[i]);
}

#else

inline void transpose_block(const float* planes, size_t cells, float* out, size_t row) {
  for (size_t i = 0; i < 4; ++i)
    for (size_t channel = 0; channel < 4; ++channel)
      out[i * row + channel] = planes[channel * cells + i];
}

#endif

// `planes` (channels, cells) -> `out` (cells, row), whose columns from `channels` on stay as they
// are; channels <= row.
inline void channels_last(const float* planes, size_t channels, size_t cells, float* out,
                          size_t row) {
  const size_t whole_channels = channels / 4 * 4, whole_cells = cells / 4 * 4;
  for (size_t cell = 0; cell < whole_cells; cell += 4)
    for (size_t channel = 0; channel < whole_channels; channel += 4)
      transpose_block(planes + channel * cells + cell, cells, out + cell * row + channel, row);
  for (size_t cell = 0; cell < cells; ++cell)
    for (size_t channel = cell < whole_cells ? whole_channels : 0; channel < channels; ++channel)
      out[cell * row + channel] = planes[channel * cells + cell];
}

}  // namespace same
