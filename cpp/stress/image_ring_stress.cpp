// A camera thread and a reader that holds frames while new ones come: no held frame ever changes,
// no frame is seen half-written, and every frame is read or counted as dropped.
#include <atomic>
#include <thread>
#include <vector>

#include "check.hpp"
#include "same/image_ring.hpp"

namespace same {

struct ImageRingStress {
  // A producer that was taken off the processor after it claimed the newest slot.
  static void stop_while_writing(ImageRing& ring) {
    SAME_CHECK(ring.claim(static_cast<size_t>(ring.newest_.load())));
  }
};

}  // namespace same

namespace {

constexpr int kHeight = 24, kWidth = 32;
constexpr int64_t kFrames = 60'000;

void check_whole(const same::ImageRing& ring, size_t slot) {
  const int64_t stamp = ring.timestamp_ns(slot);
  for (int view = 0; view < 2; ++view) {
    const uint8_t* pixels = ring.image(slot, view);
    const bool sent = view == 0 || stamp % 3 != 0;
    SAME_CHECK((pixels != nullptr) == sent);
    if (!pixels) continue;
    for (int i = 0; i < kHeight * kWidth; ++i)
      SAME_CHECK(pixels[i] == static_cast<uint8_t>(stamp + view));
  }
}

void check_that_no_reader_waits() {
  same::ImageRing ring(2, kHeight, kWidth);
  const std::vector<uint8_t> pixels(kHeight * kWidth);
  SAME_CHECK(ring.push(1, {pixels.data(), kWidth}, {}) == same::PushStatus::ACCEPTED);
  same::ImageRingStress::stop_while_writing(ring);
  SAME_CHECK(!ring.acquire_newest());
}

}  // namespace

int main() {
  check_that_no_reader_waits();
  same::ImageRing ring(4, kHeight, kWidth);
  std::atomic<bool> done{false};
  std::thread producer([&] {
    std::vector<uint8_t> left(kHeight * kWidth), right(kHeight * kWidth);
    for (int64_t stamp = 1; stamp <= kFrames; ++stamp) {
      left.assign(left.size(), static_cast<uint8_t>(stamp));
      right.assign(right.size(), static_cast<uint8_t>(stamp + 1));
      const auto status =
          ring.push(stamp, {left.data(), kWidth}, {stamp % 3 ? right.data() : nullptr, kWidth});
      SAME_CHECK(status == same::PushStatus::ACCEPTED);
      SAME_CHECK(ring.push(stamp, {left.data(), kWidth}, {}) == same::PushStatus::DUPLICATE);
    }
    done = true;
  });
  int64_t seen = 0, last_ns = 0;
  std::thread reader([&] {
    bool last_round = false;
    while (!last_round) {
      last_round = done.load();
      const auto slot = ring.acquire_newest();
      if (!slot) continue;
      const int64_t stamp = ring.timestamp_ns(*slot);
      SAME_CHECK(stamp >= last_ns);
      seen += stamp > last_ns;
      last_ns = stamp;
      check_whole(ring, *slot);
      ring.acquire_again(*slot);
      ring.release(*slot);
      check_whole(ring, *slot);  // still held once
      ring.release(*slot);
    }
  });
  producer.join();
  reader.join();
  SAME_CHECK(last_ns == kFrames);
  SAME_CHECK(ring.accepted() == kFrames && ring.refused() == kFrames);
  // A frame that is taken in the very moment of being replaced counts as both.
  SAME_CHECK(static_cast<int64_t>(ring.dropped()) + seen >= kFrames);
  SAME_CHECK(static_cast<int64_t>(ring.dropped()) <= kFrames);
  std::puts("image_ring_stress: passed");
}
