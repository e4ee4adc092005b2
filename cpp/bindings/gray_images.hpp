// Gray images between NumPy and the core: read in place, and given out without a copy.
#pragma once

#include <optional>
#include <utility>

#include "bindings.hpp"
#include "same/image_ring.hpp"

namespace same::bindings {

using MaybeImage = std::optional<py::array_t<uint8_t>>;

// Throws ValueError for another dtype or shape. `image` may be replaced by a copy that has dense
// rows, which the returned pointer then needs.
inline GrayImage to_gray(std::optional<py::array>& image, const char* name, int height, int width) {
  if (!image) return {};
  if (!py::isinstance<py::array_t<uint8_t>>(*image))
    throw py::value_error(std::string(name) + ": expected a uint8 array");
  check_shape(*image, name, {height, width});
  if (image->strides(1) != 1) image = py::array_t<uint8_t, py::array::c_style>::ensure(*image);
  return {static_cast<const uint8_t*>(image->data()), image->strides(0)};
}

// A read-only view that holds the slot; None where the camera gave no image.
inline MaybeImage view_of(const ImageLease& lease, int view) {
  const ImageRing& ring = lease.ring();
  const uint8_t* pixels = ring.image(lease.slot(), view);
  if (!pixels) return std::nullopt;
  const py::capsule held(new ImageLease(lease.again()),
                         [](void* own) { delete static_cast<ImageLease*>(own); });
  return read_only_view<uint8_t>({ring.height(), ring.width()}, pixels, held);
}

}  // namespace same::bindings
