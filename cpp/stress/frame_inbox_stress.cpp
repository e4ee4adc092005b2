// A camera's driver thread a view and a tracker that holds frames while new images come: no held
// frame ever changes, also when its inbox is gone, pairs are of one time, every frame is announced.
#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "check.hpp"
#include "same/frame_inbox.hpp"
#include "same/steady_clock.hpp"

namespace {

constexpr int kHeight = 24, kWidth = 32;
constexpr int64_t kImages = 20'000;
constexpr int64_t kPeriodNs = 10'000'000, kSkewNs = 1'000'000, kMaxSkewNs = 2'000'000;
constexpr int64_t kMostAhead = 3;  // images of one camera before the other's
constexpr int64_t kLeastPairs = kImages / 10;

int64_t stamp_of(int64_t image, int view) { return image * kPeriodNs + view * kSkewNs; }
uint8_t pixel_of(int64_t image, int view) { return static_cast<uint8_t>(image + view); }

void check_image(const same::GrayImage& image, uint8_t expected) {
  for (int row = 0; image.pixels && row < kHeight; ++row)
    for (int column = 0; column < kWidth; ++column)
      SAME_CHECK(image.pixels[row * image.row_stride + column] == expected);
}

void check_whole(const same::InboxFrame& frame) {
  SAME_CHECK(frame.left.pixels || frame.right.pixels);
  const int64_t image = frame.timestamp_ns / kPeriodNs;
  SAME_CHECK(frame.timestamp_ns == stamp_of(image, frame.left.pixels ? 0 : 1));
  check_image(frame.left, pixel_of(image, 0));
  check_image(frame.right, pixel_of(image, 1));
}

struct Run {
  const int64_t began_ns = same::steady_ns();
  same::Synchroniser synchroniser{8, {100'000'000, 50'000'000, false}};
  same::Ingestion ingestion{synchroniser};
  std::atomic<int64_t> wakes{0}, published{0};
  std::array<std::atomic<int64_t>, same::kNumViews> sent{};
  std::atomic<int> producing{same::kNumViews};
  std::unique_ptr<same::FrameInbox> inbox = std::make_unique<same::FrameInbox>(
      ingestion, kHeight, kWidth, kMaxSkewNs, [this] { ++wakes; });

  void produce(int view) {
    std::vector<uint8_t> pixels(kHeight * kWidth);
    for (int64_t image = 1; image <= kImages; ++image) {
      while (image > sent[same::other_view(view)] + kMostAhead) std::this_thread::yield();
      pixels.assign(pixels.size(), pixel_of(image, view));
      const auto push = inbox->put_image(view, stamp_of(image, view), {pixels.data(), kWidth});
      // An image that others of later times overtook is refused with its frame, never at the gate.
      SAME_CHECK(push == same::PushStatus::ACCEPTED || !push.at_gate);
      published += push.new_frames;
      const auto again = inbox->put_image(view, stamp_of(image, view), {pixels.data(), kWidth});
      SAME_CHECK(again == same::PushStatus::DUPLICATE && again.at_gate && again.new_frames == 0);
      sent[view] = image;
    }
    --producing;
  }

  std::optional<same::InboxFrame> consume() {
    std::optional<same::InboxFrame> held;
    int64_t last_ns = 0, pairs = 0, seen = 0;
    for (bool last_round = false; !last_round;) {
      last_round = producing == 0;
      auto frame = inbox->newest();
      if (!frame) continue;
      check_whole(*frame);
      SAME_CHECK(frame->timestamp_ns >= last_ns);
      SAME_CHECK(frame->came_ns >= began_ns && frame->came_ns <= same::steady_ns());
      SAME_CHECK(frame->restarts == 0);
      if (frame->timestamp_ns == last_ns) continue;
      last_ns = frame->timestamp_ns;
      pairs += frame->left.pixels && frame->right.pixels;
      if (held) check_whole(*held);
      held = std::move(frame);
      SAME_CHECK(inbox->counts().accepted > 0);
      if (++seen % 1000 == 0 && !last_round) {
        inbox->clear();
        last_ns = 0;  // what was overtaken before may now come
      }
    }
    SAME_CHECK(pairs > 0);
    return held;
  }
};

}  // namespace

int main() {
  Run run;
  std::optional<same::InboxFrame> held;
  std::thread left([&] { run.produce(same::kLeftView); });
  std::thread right([&] { run.produce(same::kRightView); });
  std::thread tracker([&] { held = run.consume(); });
  left.join();
  right.join();
  tracker.join();
  const same::FrameCounts counts = run.inbox->counts();
  SAME_CHECK(static_cast<int64_t>(counts.accepted) == run.published);
  SAME_CHECK(run.wakes > 0 && run.wakes <= run.published);
  SAME_CHECK(static_cast<int64_t>(counts.accepted - counts.unpaired) >= kLeastPairs);
  SAME_CHECK(counts.skewed == 0 && counts.restarts == 0 && counts.dropped <= counts.accepted);
  run.inbox.reset();
  SAME_CHECK(held);
  check_whole(*held);
  std::puts("frame_inbox_stress: passed");
}
