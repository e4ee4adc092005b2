// The last few values of something, in fixed memory.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

namespace same {

// At most N values in the order in which they came; the oldest makes room for the newest.
template <typename T, size_t N>
class RecentValues {
 public:
  void add(const T& value) {
    if (count_ == N) take(0);
    values_[count_++] = value;
  }
  T take(size_t index) {
    const T taken = values_[index];
    std::copy(begin() + index + 1, end(), values_.begin() + index);
    --count_;
    return taken;
  }
  void clear() { count_ = 0; }

  size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  const T& operator[](size_t index) const { return values_[index]; }
  const T* begin() const { return values_.data(); }
  const T* end() const { return values_.data() + count_; }

 private:
  std::array<T, N> values_{};
  size_t count_ = 0;
};

}  // namespace same
