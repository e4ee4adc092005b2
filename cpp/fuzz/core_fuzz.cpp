// libFuzzer program for the core's edge: the bytes are a sequence of calls with the values that the
// bindings and the readers of files let through, which is any number within the documented range.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "same/cell_statistics.hpp"
#include "same/deform_attn.hpp"
#include "same/frame_assembler.hpp"
#include "same/frame_inbox.hpp"
#include "same/image_preprocessor.hpp"
#include "same/ingestion.hpp"
#include "same/skeleton_solver.hpp"

namespace {

using namespace same;

constexpr size_t kWindow = 8;
constexpr int kMaxSide = 40, kImageSide = 4;

// Unlike stress/check.hpp: libFuzzer keeps the bytes of a program that aborts.
void require(bool holds) {
  if (!holds) std::abort();
}

class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  bool empty() const { return left_ == 0; }

  template <typename T>
  T take() {
    T value{};
    const size_t size = std::min(sizeof value, left_);
    std::memcpy(&value, data_, size);
    data_ += size;
    left_ -= size;
    return value;
  }

  int below(int end) { return take<uint8_t>() % end; }
  // Near the time before, where gates and clocks decide, or anywhere.
  int64_t time() {
    if (below(4) > 0) return now_ns_ = clamp(now_ns_ + take<int32_t>() / 16);
    return now_ns_ = clamp(take<int64_t>());
  }
  double within(double limit) {
    const double value = take<double>();
    return std::isfinite(value) && std::abs(value) <= limit ? value : take<int16_t>() * 1e-3;
  }
  Vec3 vector(double limit) { return {within(limit), within(limit), within(limit)}; }
  Quaternion turn() {
    const Quaternion q{within(1), within(1), within(1), within(1)};
    const double length = std::sqrt(dot(q, q));
    return length > 0.1 ? Quaternion{q.x / length, q.y / length, q.z / length, q.w / length}
                        : Quaternion{0, 0, 0, 1};
  }
  std::vector<float> floats(size_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = below(4) ? take<int16_t>() * 0.01f : take<float>();
    return values;
  }

 private:
  static int64_t clamp(int64_t at_ns) { return at_ns & (kMaxTimestampNs - 1); }

  const uint8_t* data_;
  size_t left_;
  int64_t now_ns_ = 1'000'000'000;
};

class Core {
 public:
  void call(Bytes& bytes) {
    switch (bytes.below(14)) {
      case 0:
        return clock(bytes);
      case 1:
        return ingestion_.reopen(bytes.below(kNumStreams));
      case 2:
        return correct(bytes);
      case 3:
        return void(ingestion_.admit(bytes.below(kNumGates), bytes.time(), bytes.time()));
      case 4:
        return void(ingestion_.off_clock(bytes.time()));
      case 5:
        return assemble(bytes);
      case 6:
        return solve(bytes);
      case 7:
        return attend(bytes);
      case 8:
        return image(bytes);
      case 9:
      case 10:
        return frame(bytes);
      default:
        return sample(bytes);
    }
  }

 private:
  void clock(Bytes& bytes) {
    const int stream = bytes.below(kNumStreams);
    const int64_t offset_ns = bytes.below(2) ? bytes.time() : -bytes.time();
    ingestion_.set_clock(stream, bytes.below(2)
                                     ? ClockMapping::estimated(bytes.below(256))
                                     : ClockMapping::given(offset_ns, bytes.within(1e3)));
  }

  void correct(Bytes& bytes) {
    const Quaternion left = bytes.turn();
    ingestion_.set_leg_mountings({left, bytes.turn()});
  }

  void sample(Bytes& bytes) {
    const int device = bytes.below(kNumDevices);
    const int64_t at_ns = bytes.time(), arrival_ns = bytes.time();
    if (device < kNumPoseDevices)
      ingestion_.push_pose(device, at_ns, arrival_ns, {bytes.vector(kMaxPositionM), bytes.turn()});
    else
      ingestion_.push_leg(device, at_ns, arrival_ns,
                          {bytes.vector(kMaxAcceleration), bytes.turn()});
  }

  void assemble(Bytes& bytes) {
    const int64_t at_ns = bytes.below(2) ? bytes.time() : ingestion_.newest_ns(kHead);
    if (at_ns < 0) return;
    const AssembledFrame frame{features_.data(), poses_.data(), offsets_.data(), valid_.data()};
    if (!assembler_.assemble(at_ns, synchroniser_.look_up(at_ns), frame)) return;
    for (const auto* values : {&features_, &poses_, &offsets_, &valid_})
      for (const float value : *values) require(std::isfinite(value));
  }

  void solve(Bytes& bytes) {
    BodyObservation body;
    body.timestamp_ns = bytes.time();
    const bool odd = bytes.below(8) == 0;  // what a network may give out
    for (Vec3& joint : body.joints)
      for (double& axis : joint) axis = odd ? bytes.take<double>() : bytes.within(3.0);
    for (auto& device : body.devices)
      if (bytes.below(2)) device = bytes.turn();
    body.good = bytes.below(2);
    body.restart = bytes.below(8) == 0;
    solver_.plant_feet = bytes.below(2);
    solver_.solve(body, bytes.below(4) > 0);
  }

  void attend(Bytes& bytes) {
    const DeformAttnShape shape{1 + bytes.below(2), 1 + bytes.below(5), 1 + bytes.below(5),
                                1 + bytes.below(5), 1 + bytes.below(3), 1 + bytes.below(2),
                                1 + bytes.below(3), 1 + bytes.below(4), 1 + bytes.below(3)};
    const auto& [views, dim, height, width, joints, heads, points, hidden, shell] = shape;
    const int cells = views * height * width, queries = views * joints;
    const auto features = bytes.floats(cells * dim), rays = bytes.floats(3 * cells),
               origins = bytes.floats(3 * views),
               places = bytes.floats(queries * heads * points * 2),
               weights = bytes.floats(queries * heads * points), depth = bytes.floats(queries),
               w1 = bytes.floats(hidden * 3 * shell), b1 = bytes.floats(hidden);
    std::vector<float> sampled(queries * heads * dim), position(queries * heads * hidden);
    spatial_aware_deform_attn(
        shape,
        {features.data(), rays.data(), origins.data(), places.data(), weights.data(), depth.data(),
         w1.data(), b1.data(), 0.2f, bytes.below(2) > 0},
        {sampled.data(), position.data()});
  }

  void image(Bytes& bytes) {
    const int height = 1 + bytes.below(kMaxSide), width = 1 + bytes.below(kMaxSide);
    const int rows = 1 + bytes.below(height), columns = 1 + bytes.below(width);
    std::vector<uint8_t> pixels(static_cast<size_t>(height) * width, bytes.take<uint8_t>());
    pixels.back() = bytes.take<uint8_t>();
    std::vector<float> out(static_cast<size_t>(rows) * columns);
    const ImageZoom zoom{1.0 + bytes.below(31) / 10.0, 1.0 + bytes.below(31) / 10.0};
    ImagePreprocessor(height, width, rows, columns, 0.5, 0.25, zoom)(pixels.data(), width,
                                                                     out.data());
    for (const float value : out) require(value >= -2.01f && value <= 2.01f);
    cell_statistics(out.data(), rows, columns, 1 + bytes.below(40), 1 + bytes.below(40), 1.0);
  }

  void frame(Bytes& bytes) {
    const std::vector<uint8_t> pixels(kImageSide * kImageSide, bytes.take<uint8_t>());
    const GrayImage image{pixels.data(), kImageSide};
    const int64_t time_ns = bytes.time(), arrival_ns = bytes.time();
    const auto put = [&](int kind) {
      if (kind < kNumViews) return inbox_.put_image(kind, time_ns, image, arrival_ns);
      return inbox_.put(time_ns, image, {}, arrival_ns);
    };
    const FramePush push = put(bytes.below(kNumViews + 1));
    require(push.status == PushStatus::ACCEPTED || push.new_frames == 0 || !push.at_gate);
    if (bytes.below(16) == 0) inbox_.clear();
    auto newest = inbox_.newest();
    if (!newest) return;
    for (const GrayImage* shown : {&newest->left, &newest->right})
      if (shown->pixels) require(shown->pixels[0] == shown->pixels[pixels.size() - 1]);
    if (bytes.below(4) == 0) held_ = std::move(newest);
  }

  Synchroniser synchroniser_{16, {100'000'000, 50'000'000, true}};
  Ingestion ingestion_{synchroniser_};
  FrameInbox inbox_{ingestion_, kImageSide, kImageSide, 5'000'000};
  std::optional<InboxFrame> held_;
  FrameAssembler assembler_{RigidTransform{}, 0.0, kWindow, true};
  SkeletonSolver solver_;
  std::vector<float> features_ = std::vector<float>(kNumDevices * kFeatureDim);
  std::vector<float> poses_ = std::vector<float>(kWindow * 16);
  std::vector<float> offsets_ = std::vector<float>(kWindow), valid_ = std::vector<float>(kWindow);
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  Core core;
  while (!bytes.empty()) core.call(bytes);
  return 0;
}
