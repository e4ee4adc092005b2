// The bundle: what `same-export` writes and every engine opens, read natively. Nothing of it is
// parsed by another library before its hash and content are checked, as same_engines/bundle/ does:
// a test shows that both refuse the same files. Signatures of keys are Python's alone as yet.
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "same/camera.hpp"
#include "same/engine.hpp"
#include "same/network_inputs.hpp"

namespace same {

// A bundle is missing, damaged, tampered with or of an unsupported format. One line that names the
// file and what is wrong with it.
struct BundleError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class ElementType : int { FLOAT32, FLOAT16 };

constexpr std::array<const char*, kNumStages> kStageNames = {"visual", "inertial", "fusion",
                                                             "temporal"};

// Name, static shape and type of a graph's input or output. One name is one tensor, whichever
// stages write and read it.
struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;
  ElementType type = ElementType::FLOAT32;

  int64_t elements() const;
  bool operator==(const TensorSpec&) const = default;
};

// What a graph takes at most; one that takes more is refused.
struct GraphBudget {
  int64_t file_bytes = 32 << 20;
  int64_t nodes = 1024;
  int64_t memory_bytes = 48 << 20;  // of its tensors but the weights, at any moment of a run
};

struct GraphSpec {
  std::string path;    // below the bundle's folder
  std::string sha256;  // lower-case hex
  std::vector<TensorSpec> inputs, outputs;
  GraphBudget budget;
};

using StageGraphs = std::array<GraphSpec, kNumStages>;

// What the feeder of a network needs to know of it; same_engines/bundle/config.py says more.
struct BundleConfig {
  int input_width = 0, input_height = 0;  // of one eye, pixels
  double image_mean = 0, image_std = 1;   // (pixel / 255 - mean) / std
  DepthMode depth_mode = DepthMode::RANGE;
  ImageZoom zoom{};              // column_zoom, row_zoom
  bool reads_upright = false;    // pose_frame "upright": fusion reads imu_features too
  bool uses_imu_filter = false;  // the temporal stage reads joints_imu too
  bool reads_straps = false;     // the inertial stage may be told that leg straps were measured
  int window = 0;                // frames
  int feature_dim = 0;
  int inertial_blocks = 0;
};

struct Manifest {
  std::string preset;
  BundleConfig config;
  std::string rig_json;  // the default camera rig, as CameraRig.to_dict gives it
  std::vector<std::pair<std::string, StageGraphs>> graphs;  // by precision
  std::string checkpoint_sha256;
};

class Bundle {
 public:
  // Reads and checks the manifest in the folder `path` (UTF-8), and that every graph's tensors are
  // those that the tracker reads and writes. Throws BundleError.
  static Bundle open(const std::string& path);

  const std::string& path() const { return path_; }
  const Manifest& manifest() const { return manifest_; }
  NetworkInputs network_inputs() const {
    const BundleConfig& config = manifest_.config;
    return {config.image_mean, config.image_std, config.depth_mode, config.zoom,
            config.reads_straps};
  }
  // The default camera rig. Throws BundleError for a bad one.
  CameraRig rig() const;
  // Throws BundleError where the bundle has no graphs of `precision` ("fp32", "fp16", "int8").
  const StageGraphs& graphs(const std::string& precision) const;
  // A graph file's bytes, once its size, hash and content are checked: engines load these and never
  // the path. Throws BundleError.
  std::string graph_bytes(const std::string& precision, Stage stage) const;
  // Checks every graph file. Throws BundleError at the first bad one.
  void verify() const;

 private:
  Bundle(std::string path, Manifest manifest)
      : path_(std::move(path)), manifest_(std::move(manifest)) {}

  std::string path_;
  Manifest manifest_;
};

}  // namespace same
