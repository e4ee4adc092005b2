// What an application hands to a tracker, before anything is done with it.
#pragma once

#include <cstdint>
#include <optional>

#include "same/pipeline.hpp"

namespace same {

// Throw std::invalid_argument or TimestampError, and return what may go on.
int checked_index(const char* name, int index, int begin, int end);
Vec3 checked_vector(const char* name, const Vec3& vector, double limit);
Quaternion checked_unit(const char* name, const Quaternion& q);  // normalised
PoseSample checked(const PoseSample& sample);
LegSample checked(const LegSample& sample);
Readings checked(Readings readings);
// Now where there is none.
int64_t checked_arrival(std::optional<int64_t> arrival_ns);

}  // namespace same
