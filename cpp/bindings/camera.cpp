#include "same/camera.hpp"

#include <algorithm>
#include <vector>

#include "bindings.hpp"

namespace same::bindings {
namespace {

RigidTransform to_transform(const DoubleArray& array) {
  check_shape(array, "T_head_cam", {4, 4});
  const double* m = array.data();
  const double bottom[4] = {0, 0, 0, 1};
  for (int i = 0; i < 4; ++i)
    if (!(std::abs(m[12 + i] - bottom[i]) <= 1e-9))
      throw py::value_error("T_head_cam: expected a rigid transform (rotation, translation)");
  return {{m[0], m[1], m[2], m[4], m[5], m[6], m[8], m[9], m[10]}, {m[3], m[7], m[11]}};
}

FisheyeCamera make_camera(int width, int height, double fx, double fy, double cx, double cy,
                          const std::array<double, 4>& k, const DoubleArray& T_head_cam,
                          double max_incidence) {
  FisheyeCamera camera;
  camera.width = width;
  camera.height = height;
  camera.fx = fx;
  camera.fy = fy;
  camera.cx = cx;
  camera.cy = cy;
  camera.k = k;
  camera.T_head_cam = to_transform(T_head_cam);
  camera.max_incidence_rad = max_incidence;
  camera.validate();
  return camera;
}

// Calls `each` with every row of an array (..., N), and makes arrays (..., M) and (...).
template <size_t N, size_t M, typename Each>
std::pair<py::array_t<double>, py::array_t<bool>> map_rows(const DoubleArray& rows,
                                                           const char* name, Each&& each) {
  if (rows.ndim() < 1 || rows.shape(rows.ndim() - 1) != static_cast<ssize_t>(N))
    throw py::value_error(std::string(name) + ": expected an array (..., " + std::to_string(N) +
                          ")");
  std::vector<ssize_t> shape(rows.shape(), rows.shape() + rows.ndim() - 1);
  py::array_t<bool> valid(shape);
  shape.push_back(static_cast<ssize_t>(M));
  py::array_t<double> mapped(shape);
  const double* from = rows.data();
  double* to = mapped.mutable_data();
  bool* to_valid = valid.mutable_data();
  const ssize_t count = valid.size();
  {
    py::gil_scoped_release unlocked;
    for (ssize_t i = 0; i < count; ++i, from += N, to += M) {
      std::array<double, N> row;
      std::copy_n(from, N, row.begin());
      const auto [out, is_valid] = each(row);
      std::copy(out.begin(), out.end(), to);
      to_valid[i] = is_valid;
    }
  }
  return {mapped, valid};
}

py::tuple ray_map(const CameraRig& rig, int width, int height, bool z_depth, double column_zoom,
                  double row_zoom) {
  RayMap map;
  {
    py::gil_scoped_release unlocked;
    map = rig.ray_map(width, height, z_depth ? DepthMode::Z : DepthMode::RANGE,
                      {column_zoom, row_zoom});
  }
  return py::make_tuple(py::array_t<float>({kNumViews, 3, height, width}, map.rays.data()),
                        py::array_t<float>({kNumViews, 3}, map.origins.data()),
                        py::array_t<float>({kNumViews, 3}, map.axes.data()));
}

}  // namespace

void bind_camera(py::module_& module) {
  py::class_<FisheyeCamera>(module, "FisheyeCamera", "See same_runtime.camera.FisheyeCamera.")
      .def(py::init(&make_camera), py::arg("width"), py::arg("height"), py::arg("fx"),
           py::arg("fy"), py::arg("cx"), py::arg("cy"), py::arg("k"), py::arg("T_head_cam"),
           py::arg("max_incidence"), "Raises ValueError, which names what is off.")
      .def(
          "project",
          [](const FisheyeCamera& camera, const DoubleArray& points_cam) {
            return map_rows<3, 2>(points_cam, "points_cam",
                                  [&](const Vec3& point) { return camera.project(point); });
          },
          py::arg("points_cam"), "Points (..., 3) m to pixels (..., 2) and whether each is seen.")
      .def(
          "unproject",
          [](const FisheyeCamera& camera, const DoubleArray& pixels) {
            return map_rows<2, 3>(pixels, "pixels",
                                  [&](const Pixel& pixel) { return camera.unproject(pixel); });
          },
          py::arg("pixels"), "Pixels (..., 2) to unit rays (..., 3) and whether each is imaged.");
  py::class_<CameraRig>(module, "CameraRig", "See same_runtime.camera.CameraRig.")
      .def(py::init([](const FisheyeCamera& left, const FisheyeCamera& right) {
             CameraRig rig{{left, right}};
             rig.validate();
             return rig;
           }),
           py::arg("left"), py::arg("right"), "Raises ValueError for two image sizes.")
      .def_property_readonly(
          "T_cam_left_cam_right",
          [](const CameraRig& rig) { return to_numpy(rig.T_cam_left_cam_right()); },
          "(4, 4): right-camera points into the left-camera frame.")
      .def("check_sides", &CameraRig::check_sides,
           "Raises ValueError for a left camera to the right of the right one.")
      .def(
          "ray_map", &ray_map, py::arg("width"), py::arg("height"), py::arg("z_depth"),
          py::arg("column_zoom") = 1.0, py::arg("row_zoom") = 1.0,
          "rays (2, 3, height, width), origins (2, 3) m, axes (2, 3), left-camera frame, float32.");
}

}  // namespace same::bindings
