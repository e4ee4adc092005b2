// Rates of the core's hot calls without Python around them; prints one JSON object.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "same/sample_ring.hpp"
#include "same/synchroniser.hpp"

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kRepeats = 9;
constexpr int64_t kPeriodNs = 1'000'000;
constexpr int64_t kSamples = 256;

// Nanoseconds per call, median over repeats; `body(n)` makes n calls.
template <typename Body>
double ns_per_call(int64_t calls, Body&& body) {
  std::vector<double> ns;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto start = Clock::now();
    body(calls);
    const std::chrono::duration<double, std::nano> took = Clock::now() - start;
    ns.push_back(took.count() / static_cast<double>(calls));
  }
  std::nth_element(ns.begin(), ns.begin() + kRepeats / 2, ns.end());
  return ns[kRepeats / 2];
}

std::vector<same::PoseSample> turning_poses(int64_t count) {
  std::vector<same::PoseSample> poses;
  for (int64_t i = 0; i < count; ++i) {
    const double angle = 0.001 * static_cast<double>(i);
    poses.push_back({{angle, 1.6, 0.0}, {0.0, std::sin(angle), 0.0, std::cos(angle)}});
  }
  return poses;
}

}  // namespace

int main() {
  const auto poses = turning_poses(kSamples);
  same::SampleRing<same::PoseSample> ring(kSamples);
  int64_t timestamp_ns = 0;
  const double push_ns = ns_per_call(2'000'000, [&](int64_t calls) {
    for (int64_t i = 0; i < calls; ++i) ring.push(timestamp_ns += kPeriodNs, poses[i % kSamples]);
  });

  same::Synchroniser synchroniser(kSamples, same::LookupLimits{100'000'000, 50'000'000});
  for (int64_t i = 0; i < kSamples; ++i) {
    for (int device = 0; device < same::kNumPoseDevices; ++device)
      synchroniser.push_pose(device, i * kPeriodNs, poses[i]);
    for (int device = same::kNumPoseDevices; device < same::kNumDevices; ++device)
      synchroniser.push_leg(device, i * kPeriodNs, {{}, poses[i].orientation});
  }
  int64_t found = 0;
  const double lookup_ns = ns_per_call(200'000, [&](int64_t calls) {
    for (int64_t i = 0; i < calls; ++i) {
      // Between two samples: the costliest case, five interpolations.
      const auto states = synchroniser.look_up((i % (kSamples - 1)) * kPeriodNs + kPeriodNs / 2);
      found += states.how[same::kHead] == same::LookupKind::INTERPOLATED;
    }
  });
  const bool sound = found == 200'000LL * kRepeats && ring.accepted() == 2'000'000ULL * kRepeats &&
                     ring.refused() == 0;
  if (!sound) {
    std::fprintf(stderr, "core_bench: a ring or the synchroniser misbehaved\n");
    return EXIT_FAILURE;
  }
  std::printf("{\"ring_push_ns\": %.2f, \"synchroniser_lookup_ns\": %.1f}\n", push_ns, lookup_ns);
  return EXIT_SUCCESS;
}
