// Whose turn it is to run a tracker's network.
#pragma once

#include <mutex>
#include <thread>

#include "same/tracker.hpp"

namespace same {

// Held while the network runs, or what it carries on is changed. Throws StateError when closed, and
// in a thread that has it already.
class Tracker::Turn {
 public:
  explicit Turn(Tracker& tracker) : tracker_(tracker), lock_(tracker.running_, std::defer_lock) {
    if (tracker.has_turn())
      throw StateError("the tracker is called from inside its own estimate; call it afterwards");
    lock_.lock();
    tracker.check_open();
    tracker.at_turn_.store(std::this_thread::get_id());
  }
  ~Turn() { tracker_.at_turn_.store({}); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Tracker& tracker_;
  std::unique_lock<std::mutex> lock_;
};

}  // namespace same
