#include "same/frame_inbox.hpp"

#include <stdexcept>
#include <utility>

#include "same/steady_clock.hpp"

namespace same {

FrameInbox::FrameInbox(Ingestion& ingestion, int height, int width, int64_t max_skew_ns, Wake wake)
    : ingestion_(ingestion),
      ring_(std::make_shared<ImageRing>(kSlots, height, width)),
      wake_(std::move(wake)),
      pairing_(height, width, max_skew_ns) {}

FramePush FrameInbox::put(int64_t timestamp_ns, const GrayImage& left, const GrayImage& right,
                          std::optional<int64_t> arrival_ns) {
  const int64_t came_ns = steady_ns();
  FramePush push;
  {
    const std::lock_guard lock(mutex_);
    PairedFrame frame;
    // A whole frame passes the left camera's gate.
    push = judge(kLeftView, timestamp_ns, arrival_ns.value_or(came_ns), frame.timestamp_ns);
    if (push != PushStatus::ACCEPTED) return push;
    frame.images = {left, right};
    publish(frame, came_ns, push);
  }
  tell(push);
  return push;
}

FramePush FrameInbox::put_image(int view, int64_t timestamp_ns, const GrayImage& image,
                                std::optional<int64_t> arrival_ns) {
  if (view < 0 || view >= kNumViews) throw std::invalid_argument("view: expected 0 or 1");
  if (!image.pixels) throw std::invalid_argument("image: expected pixels, got null");
  const int64_t came_ns = steady_ns();
  FramePush push;
  {
    const std::lock_guard lock(mutex_);
    int64_t mapped_ns = 0;
    push = judge(view, timestamp_ns, arrival_ns.value_or(came_ns), mapped_ns);
    if (push != PushStatus::ACCEPTED) return push;
    for (const PairedFrame& frame : pairing_.add(view, timestamp_ns, mapped_ns, image))
      publish(frame, came_ns, push);
    push.first_skew = pairing_.skewed() > 0 && !std::exchange(skew_named_, true);
  }
  tell(push);
  return push;
}

std::optional<InboxFrame> FrameInbox::newest() {
  ImageLease lease = ImageLease::newest(ring_);
  if (!lease) return std::nullopt;
  const FrameNote& note = ring_->note(lease.slot());
  InboxFrame frame;
  frame.timestamp_ns = ring_->timestamp_ns(lease.slot());
  frame.left = {ring_->image(lease.slot(), kLeftView), ring_->width()};
  frame.right = {ring_->image(lease.slot(), kRightView), ring_->width()};
  frame.came_ns = note.came_ns;
  frame.restarts = note.restarts;
  frame.skewed = note.skewed;
  frame.lease = std::move(lease);
  return frame;
}

FrameCounts FrameInbox::counts() const {
  return {ring_->accepted(),
          ring_->dropped(),
          pairing_.unpaired(),
          pairing_.late_images(),
          pairing_.skewed(),
          pairing_.view_skew_ns(),
          restarts_.load(std::memory_order_relaxed)};
}

void FrameInbox::clear() {
  const std::lock_guard lock(mutex_);
  begin_anew();
}

void FrameInbox::begin_anew() {
  ring_->clear();
  pairing_.clear();
  newest_ns_ = FramePush::kNoStamp;
}

FramePush FrameInbox::judge(int view, int64_t timestamp_ns, int64_t arrival_ns,
                            int64_t& mapped_ns) {
  const int64_t newest_ns = ingestion_.newest_ns(kCameraStream);
  const Admission admission = ingestion_.admit(kCameraStream + view, timestamp_ns, arrival_ns);
  FramePush push;
  push.status = admission.verdict.status;
  if (!admission.accepted()) {
    push.at_gate = true;
    push.refused_ns = timestamp_ns;
    push.newest_ns = newest_ns;
    return push;
  }
  mapped_ns = admission.mapped_ns;
  ++images_;
  if (admission.verdict.restarted) restart(view, mapped_ns);
  last_image_[static_cast<size_t>(view)] = images_;
  return push;
}

// One camera's stamps go on from another time: so do the frames, unless they do already because the
// other camera has begun anew since this one's last image.
void FrameInbox::restart(int view, int64_t mapped_ns) {
  pairing_.clear(view);
  last_restart_[static_cast<size_t>(view)] = images_;
  const bool follows =
      last_restart_[static_cast<size_t>(other_view(view))] > last_image_[static_cast<size_t>(view)];
  if (follows || newest_ns_ == FramePush::kNoStamp || mapped_ns > newest_ns_) return;
  begin_anew();
  restarts_.fetch_add(1, std::memory_order_relaxed);
}

void FrameInbox::publish(const PairedFrame& frame, int64_t came_ns, FramePush& push) {
  const FrameNote note{came_ns, restarts_.load(std::memory_order_relaxed), frame.skewed};
  const PushStatus status =
      ring_->push(frame.timestamp_ns, frame.images[kLeftView], frame.images[kRightView], note);
  if (status == PushStatus::ACCEPTED) {
    newest_ns_ = frame.timestamp_ns;
    ++push.new_frames;
  } else if (push.status == PushStatus::ACCEPTED) {
    push.status = status;
    push.refused_ns = frame.timestamp_ns;
    push.newest_ns = newest_ns_;
  }
}

void FrameInbox::tell(const FramePush& push) const {
  if (wake_ && push.new_frames > 0) wake_();
}

}  // namespace same
