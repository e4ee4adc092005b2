#include <algorithm>
#include <cstring>
#include <map>

#include "onnxruntime/session.hpp"
#include "same/onnxruntime_engine.hpp"

namespace same {
namespace {

const std::string kStateSuffix = "_next";

// Zeroed memory, aligned as vector units like it.
class Memory {
 public:
  explicit Memory(size_t bytes) : bytes_(bytes), lines_((bytes + kLine - 1) / kLine) { zero(); }
  void* data() { return lines_.data(); }
  void zero() { std::memset(lines_.data(), 0, bytes_); }

 private:
  static constexpr size_t kLine = 64;
  struct alignas(kLine) Line {
    unsigned char bytes[kLine];
  };
  size_t bytes_;
  std::vector<Line> lines_;
};

// A tensor of the bundle: where it lies in each turn, and which stage writes it.
struct Known {
  TensorSpec spec;
  std::vector<Memory*> turns;
  int writer = -1;
};

using Tensors = std::map<std::string, Known>;

std::string state_of(const std::string& name) {
  return name.ends_with(kStateSuffix) ? name.substr(0, name.size() - kStateSuffix.size()) : "";
}

// All tensors by name; throws BundleError as same_engines/engine.py's collect_tensors.
Tensors collect_tensors(const StageGraphs& graphs, const std::string& where) {
  Tensors tensors;
  for (int stage = 0; stage < kNumStages; ++stage) {
    for (const auto* specs : {&graphs[stage].inputs, &graphs[stage].outputs}) {
      for (const TensorSpec& spec : *specs) {
        Known& known = tensors.try_emplace(spec.name, Known{spec, {}, -1}).first->second;
        if (known.spec != spec)
          throw BundleError(where + ": stage " + kStageNames[stage] + " has " + spec.name +
                            " of another shape or type than another stage");
        if (specs == &graphs[stage].inputs) continue;
        if (known.writer >= 0 && known.writer != stage)
          throw BundleError(where + ": " + spec.name + " is written by two stages");
        known.writer = stage;
      }
    }
  }
  for (const auto& [name, known] : tensors) {
    if (!name.ends_with(kStateSuffix)) continue;
    const auto state = tensors.find(state_of(name));
    if (state == tensors.end() || state->second.spec.shape != known.spec.shape ||
        state->second.spec.type != known.spec.type)
      throw BundleError(where + ": state " + name + " has no matching input");
  }
  return tensors;
}

// Stages that read and write fixed memory. A stage with state alternates between two sets: what
// one frame writes the next one reads, without a copy.
class OnnxRuntimeEngine final : public Engine {
 public:
  OnnxRuntimeEngine(const Bundle& bundle, const OnnxRuntimeOptions& options)
      : library_(options.library),
        graphs_(bundle.graphs(options.precision)),
        tensors_(collect_tensors(graphs_, bundle.path())) {
    if (options.threads < 1 || options.threads > kMostThreads)
      throw EngineError("threads: expected 1 to 64, got " + std::to_string(options.threads));
    allocate();
    for (int stage = 0; stage < kNumStages; ++stage) open_stage(bundle, options, stage);
  }

  Tensor host_input(const char* name) override {
    const auto found = tensors_.find(name);
    if (found == tensors_.end() || found->second.writer >= 0)
      throw EngineError(std::string(name) + " is not a host input of this bundle");
    return tensor(found->second, 0);
  }

  Tensor host_output(const char* name) override {
    const auto found = tensors_.find(name);
    if (found == tensors_.end() || found->second.writer < 0)
      throw EngineError(std::string(name) + " is not an output of this bundle");
    return tensor(found->second, stages_[found->second.writer].last_turn);
  }

  void run_frame(bool with_images) override {
    for (int stage = with_images ? 0 : 1; stage < kNumStages; ++stage) {
      peek(static_cast<Stage>(stage));
      OpenStage& open = stages_[stage];
      open.turn = (open.turn + 1) % open.turns;
    }
  }

  void peek(Stage stage) override {
    const auto index = static_cast<size_t>(stage);
    OpenStage& open = stages_.at(index);
    // State is written beside what it was read from; what is read next is up to the turn.
    open.session->run(open.turn, kStageNames[index]);
    open.last_turn = open.turn;
  }

  void reset_state() override {
    for (auto& [name, known] : tensors_)
      if (name.ends_with(kStateSuffix))
        for (Memory* memory : known.turns) memory->zero();
    for (OpenStage& open : stages_) open.turn = open.last_turn = 0;
  }

 private:
  struct OpenStage {
    std::unique_ptr<ort::Session> session;
    size_t turns = 1, turn = 0, last_turn = 0;
  };

  void allocate() {
    for (auto& [name, known] : tensors_) {
      const size_t item = known.spec.type == ElementType::FLOAT16 ? 2 : 4;
      memory_.push_back(
          std::make_unique<Memory>(static_cast<size_t>(known.spec.elements()) * item));
      known.turns = {memory_.back().get()};
    }
    for (auto& [name, known] : tensors_) {
      if (!name.ends_with(kStateSuffix)) continue;
      // Frame n reads the first and writes the second, frame n+1 the other way round.
      Known& state = tensors_.at(state_of(name));
      Memory *first = state.turns[0], *second = known.turns[0];
      state.turns = {first, second};
      known.turns = {second, first};
    }
  }

  void open_stage(const Bundle& bundle, const OnnxRuntimeOptions& options, int stage) {
    OpenStage& open = stages_[stage];
    const GraphSpec& spec = graphs_[stage];
    const int threads = stage == static_cast<int>(Stage::VISUAL) ? options.threads : 1;
    open.session = std::make_unique<ort::Session>(
        library_, bundle.graph_bytes(options.precision, static_cast<Stage>(stage)), spec,
        bundle.path() + "/" + spec.path, threads, options);
    std::vector<std::string> names;
    for (const auto* specs : {&spec.inputs, &spec.outputs})
      for (const TensorSpec& tensor : *specs) names.push_back(tensor.name);
    for (const std::string& name : names)
      open.turns = std::max(open.turns, tensors_.at(name).turns.size());
    for (size_t turn = 0; turn < open.turns; ++turn) {
      ort::Addresses addresses;
      for (const std::string& name : names) {
        const auto& turns = tensors_.at(name).turns;
        addresses[name] = turns[turn % turns.size()]->data();
      }
      open.session->bind(addresses);
    }
  }

  Tensor tensor(const Known& known, size_t turn) const {
    if (known.spec.type != ElementType::FLOAT32)
      throw EngineError(known.spec.name + " is in half precision, which stays in the engine");
    Memory* memory = known.turns[turn % known.turns.size()];
    return {static_cast<float*>(memory->data()),
            std::vector<size_t>(known.spec.shape.begin(), known.spec.shape.end())};
  }

  ort::Library library_;
  StageGraphs graphs_;
  Tensors tensors_;
  std::vector<std::unique_ptr<Memory>> memory_;
  std::array<OpenStage, kNumStages> stages_;
};

}  // namespace

std::unique_ptr<Engine> open_onnxruntime_engine(const Bundle& bundle,
                                                const OnnxRuntimeOptions& options) {
  return std::make_unique<OnnxRuntimeEngine>(bundle, options);
}

}  // namespace same
