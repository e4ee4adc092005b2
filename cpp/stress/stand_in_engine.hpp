// An engine without a network, for programs that race the tracker: it gives a standing body whose
// joints follow from the newest head, and fails when it is told to.
#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "same/body.hpp"
#include "same/engine.hpp"

namespace same {

class StandInEngine : public Engine {
 public:
  static constexpr size_t kHeight = 24, kWidth = 32, kWindow = 32, kRows = 4;

  StandInEngine() {
    add("images", {2, 1, kHeight, kWidth});
    add("view_valid", {2});
    add("imu_features", {5, 16});
    add("T_anchor_cam", {kWindow, 4, 4});
    add("time_offset_s", {kWindow});
    add("window_valid", {kWindow});
    add("rays", {2, 3, kHeight / 8, kWidth / 8});
    add("origins", {2, 3});
    add("joints_anchor", {kRows, kNumJoints, 3});
    add("joint_confidence", {kNumJoints});
    joints_ = find("joints_anchor").data;
    std::fill_n(find("joint_confidence").data, kNumJoints, 0.9f);
  }

  Tensor host_input(const char* name) override { return find(name); }
  Tensor host_output(const char* name) override { return find(name); }

  void run_frame(bool) override {
    if (fails.load()) throw EngineError("the stand-in fails as it was told");
    ++frames;
    write();
  }
  void peek(Stage stage) override {
    if (stage == Stage::TEMPORAL) write();
  }
  void reset_state() override {}

  std::atomic<bool> fails{false};
  std::atomic<int> frames{0};

 private:
  void add(const char* name, std::vector<size_t> shape) {
    Tensor tensor{nullptr, std::move(shape)};
    memory_[name].assign(tensor.size(), 0.0f);
    tensor.data = memory_[name].data();
    tensors_[name] = tensor;
  }

  Tensor find(const char* name) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) throw EngineError(std::string(name) + ": no such tensor");
    return found->second;
  }

  // The T-pose over the anchor, whatever the devices do.
  void write() {
    Joints joints{};
    for (int joint = 0; joint < kNumJoints; ++joint)
      joints[joint] =
          joint == 0 ? Vec3{0.0, 0.95, 0.0} : joints[kJointParents[joint]] + kRestOffsets[joint];
    float* out = joints_;
    for (size_t row = 0; row < kRows; ++row)
      for (const Vec3& joint : joints)
        for (const double x : joint) *out++ = static_cast<float>(x);
  }

  float* joints_ = nullptr;
  std::map<std::string, std::vector<float>, std::less<>> memory_;
  std::map<std::string, Tensor, std::less<>> tensors_;
};

}  // namespace same
