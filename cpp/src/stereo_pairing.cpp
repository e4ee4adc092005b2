#include "same/stereo_pairing.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace same {
namespace {

void count(std::atomic<uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

StereoPairing::StereoPairing(int height, int width, int64_t max_skew_ns)
    : height_(height), width_(width), max_skew_ns_(max_skew_ns) {
  if (height < 1 || width < 1) throw std::invalid_argument("height, width: expected at least 1");
  if (max_skew_ns < 0) throw std::invalid_argument("max_skew_ns: expected nanoseconds >= 0");
  for (Camera& camera : cameras_)
    camera.pixels = std::make_unique<uint8_t[]>(kBuffers * static_cast<size_t>(height) *
                                                static_cast<size_t>(width));
}

std::span<const PairedFrame> StereoPairing::add(int view, int64_t timestamp_ns, int64_t mapped_ns,
                                                const GrayImage& image) {
  Camera& camera = cameras_[view];
  Camera& other = cameras_[other_view(view)];
  camera.recent_ns.add(timestamp_ns);
  if (const auto index = partner(other, timestamp_ns)) {
    ready_[0] = pair(view, timestamp_ns, mapped_ns, image, *index);
    return {ready_.data(), 1};
  }
  const auto gone_ns = other.nearest_ns(timestamp_ns);
  if (gone_ns && std::abs(*gone_ns - timestamp_ns) <= max_skew_ns_) {
    other.lags.add(other.newer_than(*gone_ns));
    count(late_images_);
    in_a_row_ = 0;  // this camera is back
    return {};
  }
  keep(camera, timestamp_ns, mapped_ns, image);
  size_t ready = 0;
  while (!camera.waiting.empty() && (camera.waiting.size() > 1 + camera.lag() || goes_alone(view)))
    ready_[ready++] = alone(view);
  return {ready_.data(), ready};
}

void StereoPairing::clear(int view) {
  cameras_[view].waiting.clear();
  cameras_[view].recent_ns.clear();
  cameras_[view].lags.clear();
  lone_view_ = kNoView;
  in_a_row_ = 0;
}

void StereoPairing::clear() {
  for (int view = 0; view < kNumViews; ++view) clear(view);
}

size_t StereoPairing::Camera::lag() const {
  return lags.empty() ? 0 : std::min(*std::max_element(lags.begin(), lags.end()), kMaxLag);
}

size_t StereoPairing::Camera::free_buffer() const {
  size_t buffer = 0;
  const auto waits_there = [&](const Waiting& image) { return image.buffer == buffer; };
  while (std::any_of(waiting.begin(), waiting.end(), waits_there)) ++buffer;
  return buffer;
}

size_t StereoPairing::Camera::newer_than(int64_t timestamp_ns) const {
  return static_cast<size_t>(std::count_if(recent_ns.begin(), recent_ns.end(),
                                           [&](int64_t t) { return t > timestamp_ns; }));
}

std::optional<int64_t> StereoPairing::Camera::nearest_ns(int64_t timestamp_ns) const {
  if (recent_ns.empty()) return std::nullopt;
  return *std::min_element(recent_ns.begin(), recent_ns.end(), [&](int64_t a, int64_t b) {
    return std::abs(a - timestamp_ns) < std::abs(b - timestamp_ns);
  });
}

GrayImage StereoPairing::image_of(const Camera& camera, const Waiting& waiting) const {
  return {camera.pixels.get() +
              waiting.buffer * static_cast<size_t>(height_) * static_cast<size_t>(width_),
          width_};
}

// An image that waits no longer leaves its pixels in place until the next one is kept.
void StereoPairing::keep(Camera& camera, int64_t timestamp_ns, int64_t mapped_ns,
                         const GrayImage& image) {
  const size_t width = static_cast<size_t>(width_);
  const size_t buffer = camera.free_buffer();
  uint8_t* pixels = camera.pixels.get() + buffer * static_cast<size_t>(height_) * width;
  for (int row = 0; row < height_; ++row, pixels += width)
    std::memcpy(pixels, image.pixels + row * image.row_stride, width);
  camera.waiting.add({timestamp_ns, mapped_ns, buffer});
}

std::optional<size_t> StereoPairing::partner(const Camera& other, int64_t timestamp_ns) const {
  std::optional<size_t> nearest;
  int64_t apart_ns = max_skew_ns_;
  for (size_t i = 0; i < other.waiting.size(); ++i) {
    const int64_t gap_ns = std::abs(other.waiting[i].timestamp_ns - timestamp_ns);
    if (gap_ns > apart_ns || (nearest && gap_ns == apart_ns)) continue;
    nearest = i;
    apart_ns = gap_ns;
  }
  return nearest;
}

PairedFrame StereoPairing::pair(int view, int64_t timestamp_ns, int64_t mapped_ns,
                                const GrayImage& image, size_t partner) {
  Camera& other = cameras_[other_view(view)];
  const Waiting waited = other.waiting.take(partner);
  other.lags.add(other.newer_than(waited.timestamp_ns));
  cameras_[view].lags.add(0);
  PairedFrame frame;
  frame.images[view] = image;
  frame.images[other_view(view)] = image_of(other, waited);
  const bool is_left = view == kLeftView;
  const int64_t skew_ns = waited.timestamp_ns - timestamp_ns;
  view_skew_ns_.store(is_left ? skew_ns : -skew_ns, std::memory_order_relaxed);
  frame.timestamp_ns = is_left ? mapped_ns : waited.mapped_ns;
  lone_view_ = kNoView;
  drop_older(is_left ? timestamp_ns : waited.timestamp_ns);
  return frame;
}

PairedFrame StereoPairing::alone(int view) {
  Camera& camera = cameras_[view];
  const Waiting image = camera.waiting.take(0);
  in_a_row_ = view == lone_view_ ? in_a_row_ + 1 : 1;
  lone_view_ = view;
  count(unpaired_);
  drop_older(image.timestamp_ns);
  PairedFrame frame;
  frame.timestamp_ns = image.mapped_ns;
  frame.images[view] = image_of(camera, image);
  frame.skewed = is_skewed(view, image.timestamp_ns);
  return frame;
}

// Whether the other camera took an image less than half a frame away.
bool StereoPairing::is_skewed(int view, int64_t timestamp_ns) {
  const auto& recent_ns = cameras_[view].recent_ns;
  const auto nearest_ns = cameras_[other_view(view)].nearest_ns(timestamp_ns);
  if (recent_ns.size() < 2 || !nearest_ns) return false;
  int64_t shortest_ns = std::numeric_limits<int64_t>::max();
  for (size_t i = 1; i < recent_ns.size(); ++i)
    shortest_ns = std::min(shortest_ns, recent_ns[i] - recent_ns[i - 1]);
  const int64_t apart_ns = *nearest_ns - timestamp_ns;
  if (2 * std::abs(apart_ns) > shortest_ns) return false;
  count(skewed_);
  view_skew_ns_.store(view == kLeftView ? apart_ns : -apart_ns, std::memory_order_relaxed);
  return true;
}

// Frames are given out in the order of time: what is older now has missed its turn.
void StereoPairing::drop_older(int64_t timestamp_ns) {
  for (Camera& camera : cameras_)
    while (!camera.waiting.empty() && camera.waiting[0].timestamp_ns < timestamp_ns) {
      camera.waiting.take(0);
      count(unpaired_);
    }
}

}  // namespace same
