// The interface that every inference backend fits behind.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

namespace same {

// The backend failed, or cannot do what is asked.
struct EngineError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Stage : int { VISUAL, INERTIAL, FUSION, TEMPORAL };
constexpr int kNumStages = 4;

// A float32 tensor in host memory, C-contiguous.
struct Tensor {
  float* data = nullptr;
  std::vector<size_t> shape;

  size_t size() const {
    size_t product = 1;
    for (const size_t side : shape) product *= side;
    return product;
  }
};

// Runs a bundle's four stage graphs. A name means the same tensor in every stage; state
// (`X_next` of one frame is `X` of the following one) stays in the engine. All buffers are
// allocated once, when it opens. One thread at a time.
class Engine {
 public:
  virtual ~Engine() = default;

  // Of an input that no stage computes; its memory stays where it is. Throws EngineError for
  // another name.
  virtual Tensor host_input(const char* name) = 0;
  // Of a stage's output, valid until that stage runs again. Throws EngineError for another name.
  virtual Tensor host_output(const char* name) = 0;

  // One frame's stages in order; VISUAL keeps its last outputs where there are no images. Throws
  // EngineError.
  virtual void run_frame(bool with_images) = 0;
  // Runs one stage, but leaves the carried state as it was. Throws EngineError.
  virtual void peek(Stage stage) = 0;
  // Zeroes all carried state.
  virtual void reset_state() = 0;
  // Runs a few frames, so that the first one is not the slow one, and zeroes the state.
  virtual void warm_up() {
    for (int run = 0; run < kWarmUpRuns; ++run) run_frame(true);
    reset_state();
  }

 private:
  static constexpr int kWarmUpRuns = 3;
};

}  // namespace same
