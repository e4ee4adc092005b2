// What differs from user to user and day to day: height, bones, leg straps, floor, forward.
#pragma once

#include <functional>
#include <mutex>
#include <optional>

#include "same/bone_measurement.hpp"
#include "same/height.hpp"
#include "same/leg_mounting.hpp"
#include "same/user_frame.hpp"

namespace same {

// What poses take from a calibration on their way out.
struct UserSettings {
  double ground_y_world = 0.0;                 // the floor's height, metres
  std::optional<BoneLengths> bone_lengths_m;   // once they are known
  std::optional<RigidTransform> T_user_world;  // none: they are the same
  uint64_t frame_changes = 0;                  // how often the user's frame was another one so far
};

// Calibrations of one tracker; each has its state. All lengths are metres.
//
// Height and bone lengths are measured by themselves from the poses. The others begin when
// the application asks for them. Any thread may call any method; a lock is held for microseconds
// and never during `on_failure`. Values are trusted: the caller has checked them. Fixed memory.
//
// What the application gives and is told is of the newest space that it told of; what ends in
// `_world`, poses and states are of the world, which stays (ReferenceSpaces).
class Calibration {
 public:
  // Called where `update` runs, with why a measurement failed; the text lives as long as the call.
  using OnFailure = std::function<void(const char*)>;

  // `ingestion`, where leg sensors are corrected and spaces change, must outlive it.
  Calibration(Ingestion& ingestion, double ground_y, OnFailure on_failure = {});

  CalibrationState height_state() const;
  CalibrationState legs_state() const;
  // Why it is FAILED, a constant; null otherwise.
  const char* legs_failure() const;
  CalibrationState floor_state() const;
  CalibrationState forward_state() const;

  std::optional<double> user_height_m() const;
  std::optional<BoneLengths> bone_lengths() const;
  // As measured or given; none before.
  std::optional<LegStraps> leg_straps() const;
  // Whether they are known and the sensors still sit so.
  bool leg_straps_hold() const;
  // Whether a leg sensor sits otherwise than it was measured or given.
  bool legs_changed() const;
  // The floor's height; it counts from the next frame on.
  double ground_y() const;
  double ground_y_world() const;
  RigidTransform T_user_space() const;
  // For a pose of that time.
  UserSettings user(int64_t timestamp_ns) const;

  // What the application knows, instead of measuring it.
  void give_user_height(double height_m);
  void give_bone_lengths(const BoneLengths& lengths);
  void give_leg_straps(const LegStraps& straps);
  void give_floor(double ground_y);
  // Another user: height and bones are measured anew, leg sensors count as worn right.
  void forget_user();

  // Takes the lower controller's height as the floor's and returns it; see floor_under().
  double floor_from_controller(const DeviceStates& states);
  // Measures how the leg sensors are strapped on, anew if that is under way: the user now stands
  // upright and still for two seconds and looks where the feet point.
  void start_legs();
  // See UserFrame::recentre().
  void recentre(const DeviceStates& states, bool keep_place);

  // Takes one estimate, in the world with its floor at `ground_y_world`, and the devices it was
  // made of into what is being measured.
  void update(const Pose& pose, const DeviceStates& states, double ground_y_world);

 private:
  double newest_space_y() const;

  const Ingestion& ingestion_;
  OnFailure on_failure_;
  mutable std::mutex mutex_;
  Height height_;
  BoneMeasurement bones_;
  LegMounting legs_;
  double ground_y_world_;
  CalibrationState floor_state_ = CalibrationState::DEFAULT;
  UserFrame frame_;
};

}  // namespace same
