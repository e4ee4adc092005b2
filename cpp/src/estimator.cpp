#include "same/estimator.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "same/steady_clock.hpp"

namespace same {
namespace {

constexpr std::array kBlindStages{Stage::INERTIAL, Stage::FUSION, Stage::TEMPORAL};

size_t from_end(const Tensor& tensor, size_t back) {
  return tensor.shape[tensor.shape.size() - back];
}

// An engine's tensor, whose memory is written and read by what is known of its shape.
Tensor checked(const char* name, Tensor tensor, size_t dimensions, size_t size) {
  if (tensor.shape.size() != dimensions || tensor.size() != size)
    throw EngineError(std::string(name) + ": expected " + std::to_string(size) + " values in " +
                      std::to_string(dimensions) + " dimensions, got " +
                      std::to_string(tensor.size()) + " in " + std::to_string(tensor.shape.size()) +
                      "; the engine is not of this bundle");
  return tensor;
}

// As above, of as many pixels a view as the engine says.
Tensor checked_planes(Engine& engine, const char* name, size_t channels) {
  const Tensor tensor = engine.host_input(name);
  const bool has_planes = tensor.shape.size() == 4;
  const size_t pixels = has_planes ? from_end(tensor, 2) * from_end(tensor, 1) : 1;
  return checked(name, tensor, 4, kNumViews * channels * pixels);
}

Tensor checked_input(Engine& engine, const char* name, size_t dimensions, size_t size) {
  return checked(name, engine.host_input(name), dimensions, size);
}

Tensor checked_window(Engine& engine) {
  const Tensor times = engine.host_input("time_offset_s");
  return checked("time_offset_s", times, 1, std::max<size_t>(times.size(), 1));
}

// The window's newest rows, at least those that velocities are of.
Tensor checked_joints(Engine& engine, size_t window) {
  const Tensor joints = engine.host_output("joints_anchor");
  const size_t needed = std::min<size_t>(window, kVelocityFrames);
  const size_t rows = joints.shape.size() == 3 ? std::max(joints.shape[0], needed) : needed;
  return checked("joints_anchor", joints, 3, rows * kNumJoints * 3);
}

ImagePreprocessor preprocessor(const FisheyeCamera& camera, const Tensor& images,
                               const NetworkInputs& inputs) {
  const int height = static_cast<int>(from_end(images, 2));
  const int width = static_cast<int>(from_end(images, 1));
  if (camera.width < width || camera.height < height)
    throw std::invalid_argument("rig: its " + std::to_string(camera.width) + "x" +
                                std::to_string(camera.height) + " images are smaller than the " +
                                std::to_string(width) + "x" + std::to_string(height) +
                                " the network takes; use a bundle of a smaller preset");
  return {camera.height,     camera.width,     height,     width,
          inputs.image_mean, inputs.image_std, inputs.zoom};
}

void write_rays(Engine& engine, const CameraRig& rig, const NetworkInputs& inputs) {
  const Tensor rays = checked_planes(engine, "rays", 3);
  const RayMap map =
      rig.ray_map(static_cast<int>(from_end(rays, 1)), static_cast<int>(from_end(rays, 2)),
                  inputs.depth_mode, inputs.zoom);
  std::copy(map.rays.begin(), map.rays.end(), rays.data);
  std::copy(map.origins.begin(), map.origins.end(),
            checked_input(engine, "origins", 2, map.origins.size()).data);
  if (inputs.depth_mode == DepthMode::Z)
    std::copy(map.axes.begin(), map.axes.end(),
              checked_input(engine, "axes", 2, map.axes.size()).data);
}

}  // namespace

Estimator::Estimator(Engine& engine, const CameraRig& rig, const NetworkInputs& inputs,
                     double ground_y, Plausibility::OnHint on_hint, PartTimes& times)
    : engine_(engine),
      images_(checked_planes(engine, "images", 1)),
      view_valid_(checked_input(engine, "view_valid", 1, kNumViews)),
      imu_features_(checked_input(engine, "imu_features", 2, kNumDevices * kFeatureDim)),
      time_offset_s_(checked_window(engine)),
      T_anchor_cam_(checked_input(engine, "T_anchor_cam", 3, time_offset_s_.size() * 16)),
      window_valid_(checked_input(engine, "window_valid", 1, time_offset_s_.size())),
      joints_anchor_(checked_joints(engine, time_offset_s_.size())),
      joint_confidence_(
          checked("joint_confidence", engine.host_output("joint_confidence"), 1, kNumJoints)),
      preprocess_(preprocessor(rig.cameras[0], images_, inputs)),
      assembler_(rig.cameras[0].T_head_cam, ground_y, time_offset_s_.size(), true),
      assembler_ahead_(assembler_),
      plausibility_(inputs.image_mean, inputs.image_std, std::move(on_hint)),
      times_(times) {
  write_rays(engine, rig, inputs);
}

std::optional<Estimate> Estimator::estimate(const DeviceStates& states, const StereoImages& images,
                                            Reasons reasons, int64_t started_ns) {
  if (!states.has(kHead)) return {};
  if (assembler_.frames() > 0 && too_late(states)) forget();
  const uint64_t relocalisations = assembler_.relocalisations();
  if (!assemble(assembler_, states)) return {};
  newest_ns_ = states.timestamp_ns;

  reasons.add(plausibility_.of_devices(states, assembler_.ground_y()));
  reasons.add(run_network(images));
  if (assembler_.relocalisations() != relocalisations) reasons.add(Reason::RELOCALISED);
  if (assembler_.frames() < assembler_.window()) reasons.add(Reason::WARMING_UP);
  const auto missing = std::count_if(images.begin(), images.end(),
                                     [](const GrayImage& image) { return !image.pixels; });
  if (missing > 0) reasons.add(missing == 2 ? Reason::NO_IMAGES : Reason::CAMERA_LOST);
  if (!states.has(1) || !states.has(2)) reasons.add(Reason::CONTROLLER_LOST);
  if (!states.has(3) || !states.has(4)) reasons.add(Reason::LEG_TRACKER_LOST);
  reasons.gravest_first();

  Estimate estimate = read_out(assembler_, reasons, started_ns);
  const Reasons found = plausibility_.of_estimate(estimate.pose, assembler_.ground_y());
  if (found.size() > 0) {
    estimate.pose.reasons.add(found);
    estimate.pose.reasons.gravest_first();
    estimate.pose.status = estimate.pose.reasons.status();
  }
  return estimate;
}

std::optional<Estimate> Estimator::predict_without_images(const Estimate& base,
                                                          const DeviceStates& states,
                                                          int64_t started_ns) {
  if (too_late(states)) return {};
  assembler_ahead_ = assembler_;
  if (!assemble(assembler_ahead_, states)) return {};
  Reasons reasons = base.pose.reasons;
  if (assembler_ahead_.relocalisations() != assembler_.relocalisations())
    reasons.add(Reason::RELOCALISED);
  reasons.gravest_first();
  std::fill_n(view_valid_.data, view_valid_.size(), 0.0f);
  for (const Stage stage : kBlindStages) engine_.peek(stage);
  Estimate ahead = read_out(assembler_ahead_, reasons, started_ns);
  ahead.pose.joint_confidence = base.pose.joint_confidence;
  return ahead;
}

void Estimator::forget() {
  engine_.reset_state();
  assembler_.reset();
  plausibility_.reset();
}

bool Estimator::assemble(FrameAssembler& assembler, const DeviceStates& states) {
  const PartTimer timer(times_, Part::FEATURES);
  return assembler.assemble(
      states.timestamp_ns, states,
      {imu_features_.data, T_anchor_cam_.data, time_offset_s_.data, window_valid_.data});
}

// Runs it; says why views count as missing that are there but show nothing.
Reasons Estimator::run_network(const StereoImages& images) {
  Reasons blind;
  const int height = preprocess_.out_height(), width = preprocess_.out_width();
  const size_t pixels = static_cast<size_t>(height) * static_cast<size_t>(width);
  bool any = false;
  for (size_t view = 0; view < images.size(); ++view) {
    float* input = images_.data + view * pixels;
    bool usable = images[view].pixels != nullptr;
    if (usable) {
      const PartTimer timer(times_, Part::PREPROCESS);
      preprocess_(images[view].pixels, images[view].row_stride, input);
      if (const auto reason = plausibility_.of_view(input, height, width)) {
        usable = false;
        blind.add(*reason);
      }
    }
    if (!usable) std::fill_n(input, pixels, 0.0f);
    view_valid_.data[view] = usable ? 1.0f : 0.0f;
    any = any || usable;
  }
  engine_.run_frame(any);
  return blind;
}

Estimate Estimator::read_out(const FrameAssembler& assembler, const Reasons& reasons,
                             int64_t started_ns) {
  const PartTimer timer(times_, Part::OUTPUT);
  const DeviceStates& states = assembler.states();
  Estimate estimate;
  const auto valid = static_cast<size_t>(std::count_if(window_valid_.data,
                                                       window_valid_.data + window_valid_.size(),
                                                       [](float there) { return there != 0.0f; }));
  const size_t rows = std::min<size_t>(static_cast<size_t>(kVelocityFrames), valid);
  const size_t given = joints_anchor_.shape.at(0), window = time_offset_s_.size();
  RecentJoints recent;
  recent.count = static_cast<int>(rows);
  for (size_t row = 0; row < rows; ++row) {
    const float* joints = joints_anchor_.data + (given - rows + row) * kNumJoints * 3;
    for (size_t j = 0; j < kNumJoints; ++j, joints += 3)
      recent.world[row][j] = assembler.T_world_anchor() * Vec3{joints[0], joints[1], joints[2]};
    recent.seconds[row] = time_offset_s_.data[window - rows + row];
  }
  estimate.velocities = velocities_of(recent);
  estimate.states = states;
  estimate.head_motion = assembler.head_motion();
  estimate.leg_headings = assembler.leg_headings();

  Pose& pose = estimate.pose;
  pose.timestamp_ns = states.timestamp_ns;
  pose.reasons = reasons;
  pose.status = reasons.status();
  pose.T_world_cam_left = assembler.T_world_cam_left();
  pose.set_joints(recent.world[rows - 1]);
  std::copy_n(joint_confidence_.data, kNumJoints, pose.joint_confidence.begin());
  pose.set_devices(states);
  pose.latency_ns = steady_ns() - started_ns;
  return estimate;
}

}  // namespace same
