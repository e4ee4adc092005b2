// The two body-facing cameras, in view order.
#pragma once

#include <array>

namespace same {

enum View : int { kLeftView, kRightView };
constexpr int kNumViews = 2;
constexpr std::array<const char*, kNumViews> kViewNames{"left", "right"};

constexpr int other_view(int view) { return kNumViews - 1 - view; }

}  // namespace same
