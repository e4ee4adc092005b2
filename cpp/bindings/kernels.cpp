#include "bindings.hpp"
#include "same/cell_statistics.hpp"
#include "same/deform_attn.hpp"
#include "same/image_preprocessor.hpp"

namespace same::bindings {
namespace {

void check_ndim(const py::array& array, const char* name, ssize_t ndim, const char* shape) {
  if (array.ndim() != ndim)
    throw py::value_error(std::string(name) + ": expected shape " + shape + ", got " +
                          std::to_string(array.ndim()) + " dimensions");
}

void bind_preprocessor(py::module_& module) {
  py::class_<ImagePreprocessor>(
      module, "ImagePreprocessor",
      "Camera image to network input: area-averaging resize (the mean over the box that an\n"
      "output pixel covers) and normalisation in one pass. Threads may share one.")
      .def(
          py::init([](int in_height, int in_width, int out_height, int out_width, double mean,
                      double std, double column_zoom, double row_zoom) {
            return ImagePreprocessor(in_height, in_width, out_height, out_width, mean, std,
                                     {column_zoom, row_zoom});
          }),
          py::arg("in_height"), py::arg("in_width"), py::arg("out_height"), py::arg("out_width"),
          py::arg("mean"), py::arg("std"), py::arg("column_zoom") = 1.0, py::arg("row_zoom") = 1.0,
          "Sizes in pixels; mean and std on the scale where white is 1. Raises ValueError for\n"
          "an output larger than the input, an input wider than 8192, a std <= 0 or a zoom outside "
          "1..4.")
      .def(
          "__call__",
          [](const ImagePreprocessor& self, py::array image, py::array& out) {
            if (!py::isinstance<py::array_t<uint8_t>>(image))
              throw py::value_error("image: expected a uint8 array");
            check_shape(image, "image", {self.in_height(), self.in_width()});
            float* destination =
                writable_float32(out, "out", {self.out_height(), self.out_width()});
            if (image.strides(1) != 1)
              image = py::array_t<uint8_t, py::array::c_style>::ensure(image);
            const auto* pixels = static_cast<const uint8_t*>(image.data());
            const ssize_t row_stride = image.strides(0);
            py::gil_scoped_release unlocked;
            self(pixels, row_stride, destination);
          },
          py::arg("image"), py::arg("out"),
          "Write (resized image / 255 - mean) / std. image: (in_height, in_width) uint8 with any\n"
          "strides; out: (out_height, out_width) float32, in place. Raises ValueError for other\n"
          "arrays.");
}

void bind_cell_statistics(py::module_& module) {
  module.def(
      "cell_statistics",
      [](const FloatArray& image, int rows, int columns, double bright) {
        check_ndim(image, "image", 2, "(height, width)");
        if (image.size() == 0 || rows < 1 || columns < 1)
          throw py::value_error("image, rows, columns: expected at least 1 pixel and 1 cell");
        const CellStatistics found =
            cell_statistics(image.data(), static_cast<int>(image.shape(0)),
                            static_cast<int>(image.shape(1)), rows, columns, bright);
        return std::make_tuple(found.mean, found.std, found.bright_share);
      },
      py::arg("image"), py::arg("rows"), py::arg("columns"), py::arg("bright"),
      "(mean, standard deviation, share at or above `bright`) of the means over about rows x\n"
      "columns cells of equal whole size. image: (height, width) float32. Raises ValueError for\n"
      "an empty image or no cells.");
}

using SampledAndPosition = std::pair<py::array_t<float>, py::array_t<float>>;

SampledAndPosition run_operator(const FloatArray& features, const FloatArray& rays,
                                const FloatArray& origins, const FloatArray& locations,
                                const FloatArray& weights, const FloatArray& depth,
                                const FloatArray& w1, const FloatArray& b1, float delta,
                                bool pe_sum) {
  check_ndim(features, "features", 4, "(V, D, Hf, Wf)");
  check_ndim(locations, "locations", 5, "(V, J, M, K, 2)");
  check_ndim(w1, "w1", 2, "(H, 3 N_s)");
  const ssize_t V = features.shape(0), D = features.shape(1), Hf = features.shape(2),
                Wf = features.shape(3);
  const ssize_t J = locations.shape(1), M = locations.shape(2), K = locations.shape(3);
  const ssize_t H = w1.shape(0);
  if (w1.shape(1) == 0 || w1.shape(1) % 3 != 0)
    throw py::value_error("w1: expected three columns per shell point, got " +
                          std::to_string(w1.shape(1)) + " columns");
  if (features.size() == 0 || locations.size() == 0 || H == 0)
    throw py::value_error("features, locations, w1: expected no empty axis");
  check_shape(rays, "rays", {V, 3, Hf, Wf});
  check_shape(origins, "origins", {V, 3});
  check_shape(locations, "locations", {V, J, M, K, 2});
  check_shape(weights, "weights", {V, J, M, K});
  check_shape(depth, "depth", {V, J});
  check_shape(b1, "b1", {H});
  if (!std::isfinite(delta)) throw py::value_error("delta: expected finite metres");

  py::array_t<float> sampled({V, J, M, D}), position({V, J, M, H});
  const auto size = [](ssize_t n) { return static_cast<int>(n); };
  const DeformAttnShape shape{size(V),  size(D), size(Hf),
                              size(Wf), size(J), size(M),
                              size(K),  size(H), size(w1.shape(1) / 3)};
  const DeformAttnInputs in{features.data(), rays.data(),  origins.data(), locations.data(),
                            weights.data(),  depth.data(), w1.data(),      b1.data(),
                            delta,           pe_sum};
  const DeformAttnOutputs out{sampled.mutable_data(), position.mutable_data()};
  {
    py::gil_scoped_release unlocked;
    spatial_aware_deform_attn(shape, in, out);
  }
  return {sampled, position};
}

}  // namespace

void bind_kernels(py::module_& module) {
  bind_preprocessor(module);
  bind_cell_statistics(module);
  module.def(
      "spatial_aware_deform_attn", &run_operator, py::arg("features"), py::arg("rays"),
      py::arg("origins"), py::arg("locations"), py::arg("weights"), py::arg("depth"), py::arg("w1"),
      py::arg("b1"), py::arg("delta"), py::arg("pe_sum") = false,
      "Eq. 3-4 of the SAME paper up to their outer linear maps, float32.\n\n"
      "features (V, D, Hf, Wf); rays (V, 3, Hf, Wf) and origins (V, 3): origin + ray * depth is\n"
      "the 3D point in cam_left, m; locations (V, J, M, K, 2) feature pixels (x, y), centres at\n"
      "integers; weights (V, J, M, K); depth (V, J) m; w1 (H, 3 N_s), columns x0 y0 z0 x1 ...;\n"
      "b1 (H); delta: half length, m, of the shell of N_s points along the ray. Sampling is\n"
      "bilinear, zero outside. pe_sum leaves the weights out of position.\n"
      "Returns sampled (V, J, M, D), the weighted features, and position (V, J, M, H), the\n"
      "weighted ReLU(w1 points + b1). Raises ValueError for other shapes.");
}

}  // namespace same::bindings
