#include "c_api_call.hpp"

#include <mutex>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

#include "same/bundle.hpp"
#include "same/engine.hpp"
#include "same/stamp_errors.hpp"

namespace same::c_api {
namespace {

thread_local std::string last_error;

// Numbers of trackers: the place in a table and how often the place was given out, so that a
// number that was closed is never another tracker's.
class Registry {
 public:
  same_tracker add(std::shared_ptr<Opened> opened) {
    const std::lock_guard lock(mutex_);
    size_t place = 0;
    while (place < places_.size() && places_[place].opened) ++place;
    if (place >= kMostPlaces) throw std::bad_alloc();
    if (place == places_.size()) places_.emplace_back();
    places_[place].opened = std::move(opened);
    return number(place);
  }

  std::shared_ptr<Opened> find(same_tracker tracker) const {
    const std::shared_lock lock(mutex_);
    return places_[place_of(tracker)].opened;
  }

  std::shared_ptr<Opened> remove(same_tracker tracker) {
    const std::lock_guard lock(mutex_);
    Place& place = places_[place_of(tracker)];
    ++place.uses;
    return std::exchange(place.opened, nullptr);
  }

 private:
  static constexpr same_tracker kMostPlaces = 0xffff;

  struct Place {
    uint64_t uses = 1;
    std::shared_ptr<Opened> opened;
  };

  size_t place_of(same_tracker tracker) const {
    const size_t place = (tracker & kMostPlaces) - 1;
    if (place >= places_.size() || !places_[place].opened || number(place) != tracker)
      throw HandleError("tracker: no open tracker has the number " + std::to_string(tracker));
    return place;
  }

  same_tracker number(size_t place) const { return places_[place].uses << 16 | (place + 1); }

  mutable std::shared_mutex mutex_;
  std::vector<Place> places_;
};

Registry& registry() {
  static Registry* const registry = new Registry;  // outlives every thread of the app
  return *registry;
}

same_result fail(same_result result, const char* what) {
  try {
    last_error = what;
  } catch (...) {
    last_error.clear();
  }
  return result;
}

}  // namespace

same_tracker give_number(std::shared_ptr<Opened> opened) {
  return registry().add(std::move(opened));
}

std::shared_ptr<Opened> find_opened(same_tracker number) { return registry().find(number); }
std::shared_ptr<Opened> take_opened(same_tracker number) { return registry().remove(number); }

const char* last_error_text() noexcept { return last_error.c_str(); }

same_result failure() noexcept {
  try {
    throw;
  } catch (const HandleError& error) {
    return fail(SAME_ERROR_HANDLE, error.what());
  } catch (const TimestampError& error) {
    return fail(SAME_ERROR_TIMESTAMP, error.what());
  } catch (const StateError& error) {
    return fail(SAME_ERROR_STATE, error.what());
  } catch (const BundleError& error) {
    return fail(SAME_ERROR_BUNDLE, error.what());
  } catch (const EngineError& error) {
    return fail(SAME_ERROR_ENGINE, error.what());
  } catch (const std::invalid_argument& error) {
    return fail(SAME_ERROR_INVALID, error.what());
  } catch (const std::bad_alloc&) {
    return fail(SAME_ERROR_MEMORY, "out of memory");
  } catch (const std::system_error& error) {
    return fail(SAME_ERROR_MEMORY, error.what());
  } catch (const std::exception& error) {
    return fail(SAME_ERROR_INTERNAL, error.what());
  } catch (...) {
    return fail(SAME_ERROR_INTERNAL, "something that is no exception was thrown");
  }
}

}  // namespace same::c_api
