// Six producer threads with bad stamps among good ones and two readers on one synchroniser: every
// sample is accounted for, and no reader ever sees half of one.
#include <atomic>
#include <cmath>
#include <thread>
#include <vector>

#include "check.hpp"
#include "same/frame_assembler.hpp"
#include "same/ingestion.hpp"

namespace {

constexpr int64_t kSamples = 40'000;
constexpr int64_t kPeriodNs = 5'000'000;

// All numbers of a sample follow from one, so that a torn one gives itself away. The steps are
// small enough to be motion.
same::PoseSample pose_of(int64_t i) {
  const double x = std::sin(0.001 * static_cast<double>(i));
  return {{x, 2 * x, 3 * x}, same::rotation_exp({0.0, x, 0.0})};
}

void check_whole(const same::PoseSample& pose) {
  const double x = pose.position[0];
  SAME_CHECK(std::abs(pose.position[1] - 2 * x) < 1e-9);
  SAME_CHECK(std::abs(pose.position[2] - 3 * x) < 1e-9);
  SAME_CHECK(std::abs(2 * std::atan2(pose.orientation.y, pose.orientation.w) - x) < 1e-3);
}

}  // namespace

int main() {
  same::Synchroniser synchroniser(64, {100'000'000, 50'000'000, false});
  same::Ingestion ingestion(synchroniser);
  for (int device = 3; device < same::kNumStreams; ++device)
    ingestion.set_clock(device, same::ClockMapping::estimated(1'000'000));

  std::atomic<bool> done{false};
  std::vector<std::thread> producers, readers;
  for (int stream = 0; stream < same::kNumStreams; ++stream) {
    producers.emplace_back([&ingestion, stream] {
      for (int64_t i = 1; i <= kSamples; ++i) {
        const int64_t stamp_ns = i * kPeriodNs, arrival_ns = stamp_ns + 3'000'000;
        const auto push = [&](int64_t at_ns) {
          if (stream < same::kNumPoseDevices)
            return ingestion.push_pose(stream, at_ns, arrival_ns, pose_of(i));
          if (stream < same::kNumDevices)
            return ingestion.push_leg(stream, at_ns, arrival_ns,
                                      {{0, 1, 0}, pose_of(i).orientation});
          return ingestion.admit(stream, at_ns, arrival_ns).verdict.status;
        };
        SAME_CHECK(push(stamp_ns) == same::PushStatus::ACCEPTED);
        if (i % 10 == 0) SAME_CHECK(push(stamp_ns) == same::PushStatus::DUPLICATE);
        if (i % 11 == 0) SAME_CHECK(push(stamp_ns - 1) == same::PushStatus::BACKWARDS);
        if (i % 12 == 0) SAME_CHECK(push(stamp_ns + 7) == same::PushStatus::TOO_CLOSE);
      }
    });
  }
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&] {
      same::FrameAssembler assembler(same::RigidTransform{}, 0.0, 32, true);
      std::vector<float> out(same::kNumDevices * same::kFeatureDim + 32 * 18);
      const same::AssembledFrame frame{out.data(), out.data() + 80, out.data() + 80 + 512,
                                       out.data() + 80 + 544};
      while (!done.load(std::memory_order_relaxed)) {
        const auto newest_ns = synchroniser.newest_ns(same::kHead);
        if (!newest_ns) continue;
        const auto states = synchroniser.look_up(*newest_ns - kPeriodNs / 2);
        for (int device = 0; device < same::kNumPoseDevices; ++device)
          if (states.has(device)) check_whole(states.poses[device]);
        assembler.assemble(states.timestamp_ns, states, frame);
        for (int stream = 0; stream < same::kNumStreams; ++stream) {
          SAME_CHECK(ingestion.newest_ns(stream) >= same::Ingestion::kNever);
          SAME_CHECK(ingestion.gate(stream).interval_ns() >= 0);
        }
      }
      for (const float value : out) SAME_CHECK(std::isfinite(value));
    });
  }
  for (auto& producer : producers) producer.join();
  done = true;
  for (auto& reader : readers) reader.join();

  for (int stream = 0; stream < same::kNumStreams; ++stream) {
    const same::StreamGate& gate = ingestion.gate(stream);
    SAME_CHECK(gate.count(same::PushStatus::ACCEPTED) == kSamples);
    SAME_CHECK(gate.count(same::PushStatus::DUPLICATE) == kSamples / 10);
    SAME_CHECK(gate.count(same::PushStatus::BACKWARDS) == kSamples / 11);
    SAME_CHECK(gate.count(same::PushStatus::TOO_CLOSE) == kSamples / 12);
    SAME_CHECK(gate.restarts() == 0);
  }
  std::puts("ingestion_stress: passed");
}
