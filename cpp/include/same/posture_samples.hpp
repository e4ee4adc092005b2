// Which poses a body is measured on: those that stand, or, of who never stands, any.
#pragma once

#include <cstddef>
#include <vector>

namespace same {

// What poses say of a body that is the same in all of them. Standing ones count most: of a body
// that sits or crouches a network tells lengths badly, so what any others say counts only until
// enough have stood. As large as it gets from the start.
template <typename Value>
class PostureSamples {
 public:
  static constexpr size_t kSamples = 60;

  PostureSamples() {
    upright_.reserve(kSamples);
    any_.reserve(kSamples);
  }

  bool is_final() const { return upright_.size() == kSamples; }

  // Takes what one good pose says; the kSamples that count from now on where this one makes them
  // complete, else null.
  const std::vector<Value>* take(const Value& value, bool stands_upright) {
    if (is_final()) return nullptr;
    if (stands_upright) upright_.push_back(value);
    const bool takes = taken_++ % kTakeEvery == 0 && any_.size() < kSamples;
    if (takes) any_.push_back(value);
    if (is_final()) return &upright_;
    return takes && any_.size() == kSamples ? &any_ : nullptr;
  }

 private:
  static constexpr size_t kTakeEvery = 10;  // of the poses in any posture

  std::vector<Value> upright_, any_;
  size_t taken_ = 0;
};

}  // namespace same
