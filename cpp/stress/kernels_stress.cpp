// The numeric code on random and on hostile input: sanitizers watch every access and operation.
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "check.hpp"
#include "same/floor_anchor.hpp"
#include "same/frame_assembler.hpp"
#include "same/image_preprocessor.hpp"
#include "same/ingestion.hpp"
#include "same/skeleton_solver.hpp"

namespace {

std::mt19937_64 random_bits(7);

double uniform(double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(random_bits);
}

same::Quaternion any_rotation() {
  return same::rotation_exp({uniform(-3, 3), uniform(-3, 3), uniform(-3, 3)});
}

void resize_odd_sizes() {
  for (int round = 0; round < 300; ++round) {
    const int in_height = 1 + static_cast<int>(random_bits() % 90);
    const int in_width = 1 + static_cast<int>(random_bits() % 90);
    const int out_height = 1 + static_cast<int>(random_bits() % in_height);
    const int out_width = 1 + static_cast<int>(random_bits() % in_width);
    const int stride = in_width + static_cast<int>(random_bits() % 5);
    std::vector<uint8_t> image(static_cast<size_t>(stride) * in_height - (stride - in_width), 255);
    std::vector<float> out(static_cast<size_t>(out_height) * out_width);
    const same::ImageZoom zoom{round % 2 ? uniform(1, 4) : 1.0, round % 3 ? uniform(1, 4) : 1.0};
    const same::ImagePreprocessor resize(in_height, in_width, out_height, out_width, 0.0, 1.0,
                                         zoom);
    resize(image.data(), stride, out.data());
    for (const float value : out) SAME_CHECK(std::abs(value - 1.0f) < 1e-4f);
  }
}

void track_a_jumping_head() {
  same::Synchroniser synchroniser(8, {100'000'000, 50'000'000, false});
  same::Ingestion ingestion(synchroniser);
  same::FrameAssembler assembler({same::to_matrix(any_rotation()), {0.1, 0, 0}}, 0.0, 5, true);
  std::vector<float> features(80), T(80), offsets(5), valid(5);
  for (int64_t i = 1; i < 5000; ++i) {
    for (int device = 0; device < same::kNumPoseDevices; ++device)
      ingestion.push_pose(device, i * 10'000'000, i * 10'000'000,
                          {{uniform(-50, 50), uniform(0, 2), uniform(-50, 50)}, any_rotation()});
    for (int device = same::kNumPoseDevices; device < same::kNumDevices; ++device)
      ingestion.push_leg(device, i * 10'000'000, i * 10'000'000,
                         {{uniform(-157, 157), 0, 0}, any_rotation()});
    const int64_t at_ns = i * 10'000'000 - static_cast<int64_t>(random_bits() % 30'000'000);
    assembler.assemble(at_ns, synchroniser.look_up(at_ns),
                       {features.data(), T.data(), offsets.data(), valid.data()});
    for (const float value : features) SAME_CHECK(std::isfinite(value));
    for (const float value : T) SAME_CHECK(std::isfinite(value));
  }
  SAME_CHECK(assembler.relocalisations() > 0);
}

// Stamps over the whole range that the Python edge lets through.
void judge_wild_stamps() {
  same::Synchroniser synchroniser(8, {100'000'000, 50'000'000, true});
  same::Ingestion ingestion(synchroniser);
  ingestion.set_clock(1, same::ClockMapping::estimated(5));
  ingestion.set_clock(2, same::ClockMapping::given(-3'000'000'000, 100.0));
  for (int i = 0; i < 200'000; ++i) {
    const int64_t stamp_ns = static_cast<int64_t>(random_bits() >> (2 + random_bits() % 60));
    const int64_t arrival_ns = static_cast<int64_t>(random_bits() >> (2 + random_bits() % 60));
    ingestion.push_pose(i % 3, stamp_ns, arrival_ns, {});
    synchroniser.look_up(stamp_ns);
  }
}

// Bodies as no network gives them: joints anywhere, all in one place, time in any order.
void solve_wild_bodies() {
  same::SkeletonSolver solver;
  solver.plant_feet = true;
  for (int i = 0; i < 20'000; ++i) {
    same::BodyObservation body;
    body.timestamp_ns = static_cast<int64_t>(random_bits() % 1'000'000'000);
    const double spread = i % 7 == 0 ? 0.0 : uniform(0, 2);
    for (auto& joint : body.joints)
      joint = {uniform(-spread, spread), uniform(-spread, spread), uniform(-spread, spread)};
    for (auto& device : body.devices)
      if (random_bits() % 3 != 0) device = any_rotation();
    const auto skeleton = solver.solve(body, random_bits() % 4 != 0);
    for (const auto& q : skeleton.rotations) SAME_CHECK(std::abs(dot(q, q) - 1.0) < 1e-6);
    for (const auto& rows : {skeleton.joints, skeleton.velocities, skeleton.turn_rates})
      for (const auto& row : rows) SAME_CHECK(std::isfinite(same::norm(row)));
  }
  SAME_CHECK(solver.user().changed_count() >= 2);
}

}  // namespace

int main() {
  resize_odd_sizes();
  track_a_jumping_head();
  judge_wild_stamps();
  solve_wild_bodies();
  std::puts("kernels_stress: passed");
}
