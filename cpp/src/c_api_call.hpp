// What every function of the C interface runs in: an open tracker by its number, errors as codes.
#pragma once

#include <cstring>
#include <memory>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "same/same.h"
#include "same/tracker.hpp"

namespace same::c_api {

struct HandleError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// An open tracker: calls hold `use` shared, closing holds it alone.
struct Opened {
  std::shared_mutex use;
  std::unique_ptr<Tracker> tracker;
};

// The tracker's number; it is never another tracker's, even once it is closed.
same_tracker give_number(std::shared_ptr<Opened> opened);
// Throw HandleError for a number that no open tracker has.
std::shared_ptr<Opened> find_opened(same_tracker number);
std::shared_ptr<Opened> take_opened(same_tracker number);

// What the last error in this thread was about.
const char* last_error_text() noexcept;
// The code and the text of the exception that is being handled.
same_result failure() noexcept;

// Runs `call`, which gives a result; every exception becomes one and a text.
template <typename Call>
same_result guarded(Call call) noexcept {
  try {
    return call();
  } catch (...) {
    return failure();
  }
}

// Runs `call` on an open tracker, which stays open meanwhile; one that gives no result has SAME_OK.
template <typename Call>
same_result with_tracker(same_tracker number, Call call) noexcept {
  return guarded([&] {
    const std::shared_ptr<Opened> opened = find_opened(number);
    const std::shared_lock lock(opened->use);
    if (!opened->tracker) throw HandleError("tracker: it is being closed");
    if constexpr (std::is_void_v<std::invoke_result_t<Call, Tracker&>>) {
      call(*opened->tracker);
      return SAME_OK;
    } else {
      return call(*opened->tracker);
    }
  });
}

template <typename T>
T& checked(const char* name, T* pointer) {
  if (!pointer) throw std::invalid_argument(std::string(name) + ": expected a pointer, got NULL");
  return *pointer;
}

// `smallest`: what the struct was before it grew.
template <typename Struct>
same_result initialise(const char* name, Struct* given, size_t size, const Struct& defaults,
                       size_t smallest = sizeof(Struct)) {
  return guarded([&] {
    checked(name, given);
    if (size < smallest || size > sizeof(Struct))
      throw std::invalid_argument(std::string(name) + ": expected " + std::to_string(smallest) +
                                  ".." + std::to_string(sizeof(Struct)) + " bytes, got " +
                                  std::to_string(size));
    std::memcpy(given, &defaults, size);
    given->size = static_cast<uint32_t>(size);
    return SAME_OK;
  });
}

}  // namespace same::c_api
