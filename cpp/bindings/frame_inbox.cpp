#include "same/frame_inbox.hpp"

#include <memory>
#include <optional>
#include <tuple>

#include "bindings.hpp"
#include "gray_images.hpp"
#include "live_ingestion.hpp"
#include "unlocked.hpp"

namespace same::bindings {
namespace {

using FoundFrame = std::tuple<int64_t, MaybeImage, MaybeImage, int64_t, uint64_t, bool>;

FramePush put(FrameInbox& inbox, int64_t timestamp_ns, std::optional<py::array> left,
              std::optional<py::array> right, std::optional<int64_t> arrival_ns) {
  checked_timestamp(timestamp_ns);
  const int64_t came_ns = checked_arrival(arrival_ns);
  const GrayImage left_image = to_gray(left, "left", inbox.height(), inbox.width());
  const GrayImage right_image = to_gray(right, "right", inbox.height(), inbox.width());
  const Unlocked unlocked;
  return inbox.put(timestamp_ns, left_image, right_image, came_ns);
}

FramePush put_image(FrameInbox& inbox, int view, int64_t timestamp_ns, const py::array& array,
                    std::optional<int64_t> arrival_ns) {
  checked_timestamp(timestamp_ns);
  const int64_t came_ns = checked_arrival(arrival_ns);
  std::optional<py::array> image = array;
  const GrayImage pixels = to_gray(image, "image", inbox.height(), inbox.width());
  const Unlocked unlocked;
  return inbox.put_image(view, timestamp_ns, pixels, came_ns);
}

std::optional<FoundFrame> newest(FrameInbox& inbox) {
  const auto frame = inbox.newest();
  if (!frame) return std::nullopt;
  return FoundFrame{frame->timestamp_ns,
                    view_of(frame->lease, kLeftView),
                    view_of(frame->lease, kRightView),
                    frame->came_ns,
                    frame->restarts,
                    frame->skewed};
}

void bind_frame_push(py::module_& module) {
  py::class_<FramePush>(module, "FramePush", "What became of a frame or image that was put in.")
      .def_readonly("status", &FramePush::status, "Of its own stamp, or of a frame's made with it.")
      .def_readonly("at_gate", &FramePush::at_gate, "Whether its own stamp was refused.")
      .def_readonly("refused_ns", &FramePush::refused_ns, "The stamp that was refused, ns.")
      .def_property_readonly(
          "newest_ns",
          [](const FramePush& push) -> std::optional<int64_t> {
            return push.newest_ns == FramePush::kNoStamp ? std::nullopt
                                                         : std::optional(push.newest_ns);
          },
          "The newest before it on the tracker's clock, ns; None before the first.")
      .def_readonly("first_skew", &FramePush::first_skew,
                    "Whether two images are too far apart for a pair for the first time.");
}

}  // namespace

void bind_frame_inbox(py::module_& module) {
  bind_frame_push(module);
  py::class_<FrameInbox>(
      module, "FrameInbox",
      "Stereo frames between the camera driver and the tracker: judged by their cameras' gates,\n"
      "paired, the newest wins. Any thread may put images, one takes frames out.")
      .def(py::init([](LiveIngestion& live, int height, int width, int64_t max_skew_ns) {
             return std::make_unique<FrameInbox>(live.ingestion, height, width, max_skew_ns);
           }),
           py::arg("ingestion"), py::arg("height"), py::arg("width"), py::arg("max_skew_ns"),
           py::keep_alive<1, 2>(),
           "Images are height x width; left and right are paired at most max_skew_ns apart.\n"
           "Raises ValueError for empty images or a negative skew.")
      .def("put", &put, py::arg("timestamp_ns").noconvert(), py::arg("left").none(true),
           py::arg("right").none(true), py::arg("arrival_ns") = py::none(),
           "Copy in a stereo frame: (height, width) uint8 images, None for a missing one.\n"
           "timestamp_ns: on the cameras' clock; arrival_ns: on the tracker's, None for now. "
           "Raises\n"
           "ValueError for other values.")
      .def("put_image", &put_image, py::arg("view"), py::arg("timestamp_ns").noconvert(),
           py::arg("image"), py::arg("arrival_ns") = py::none(),
           "Copy in one view's image; view: 0 is left, 1 is right. Otherwise as put.")
      .def(
          "newest", &newest,
          "(timestamp_ns, left, right, came_ns, restarts, skewed) of the newest frame, also when\n"
          "it was taken before; None when there is none. The images are read-only views that hold\n"
          "the frame; came_ns: steady_ns() when it came in; restarts: times the frames had begun\n"
          "anew until then; skewed: the missing image is there, but too far away in time.")
      .def(
          "counts",
          [](const FrameInbox& inbox) {
            const FrameCounts counts = inbox.counts();
            return std::make_tuple(counts.accepted, counts.dropped, counts.unpaired,
                                   counts.late_images, counts.skewed, counts.view_skew_ns);
          },
          "(accepted, dropped, unpaired, late_images, skewed, view_skew_ns) so far.")
      .def_property_readonly(
          "restarts", [](const FrameInbox& inbox) { return inbox.counts().restarts; },
          "Times the frames went on from an earlier time.")
      .def("clear", &FrameInbox::clear, py::call_guard<Unlocked>(),
           "Forget all frames; held views and counters stay.");
}

}  // namespace same::bindings
