/* The tracker for any language: a C ABI over same::Tracker.
 *
 * Frames and units: metres, seconds are never used, times are int64 nanoseconds on one monotonic
 * clock; the world is OpenXR's (+y up), quaternions are x, y, z, w and unit length, matrices are
 * row-major and map points of the frame named last into the frame named first. Joints are the 22
 * of SMPL, in the order of same_joint_name().
 *
 * Every function returns a same_result: SAME_OK, SAME_NO_POSE, or a negative error, in which case
 * nothing has changed unless it says so, and same_last_error() says in one line what was wrong. No
 * exception leaves this interface, and no argument can crash it as long as pointers that are not
 * NULL point at what their type says.
 *
 * A tracker is named by a number, not by a pointer: a number that was closed, or never given out,
 * is refused as SAME_ERROR_HANDLE by every function, in any thread.
 *
 * Any thread may call any function at any time. Those that run the network (same_push,
 * same_push_frame, same_step, the calibrations and same_reset) take turns; no other one waits for
 * it.
 *
 * Ownership: what is passed in is read or copied during the call and belongs to the caller. What
 * comes out is written into the caller's structs. Only same_last_error(), same_version() and the
 * names give out memory of the library: it is read-only and, but for same_last_error(), lasts.
 *
 * Every struct begins with its size in bytes: set it by same_..._init(), so that a program built
 * with an earlier version of this header goes on working with a later library.
 */
#ifndef SAME_SAME_H
#define SAME_SAME_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#if defined(SAME_BUILDS_LIBRARY)
#define SAME_API __declspec(dllexport)
#else
#define SAME_API __declspec(dllimport)
#endif
#else
#define SAME_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Goes up when a program must be built anew; new functions, and structs that only grow, do not
   raise it. */
#define SAME_ABI_VERSION 1

#define SAME_JOINTS 22
#define SAME_DEVICES 5 /* head, left and right controller, left and right leg */
#define SAME_VIEWS 2   /* left, right */
#define SAME_MAX_REASONS 32
#define SAME_NEVER (-1)
#define SAME_ARRIVED_NOW (-1)

typedef uint64_t same_tracker; /* 0 is never one */

typedef enum same_result {
  SAME_OK = 0,
  SAME_NO_POSE = 1,          /* same_step: no new frame */
  SAME_ERROR_INVALID = -1,   /* an argument: NULL, a wrong size, value or setting */
  SAME_ERROR_TIMESTAMP = -2, /* a stamp that cannot be right; counted, sample refused */
  SAME_ERROR_HANDLE = -3,    /* no open tracker has this number */
  SAME_ERROR_STATE = -4,     /* does not go with what the tracker does now */
  SAME_ERROR_BUNDLE = -5,    /* the bundle is damaged, tampered with or of another version */
  SAME_ERROR_ENGINE = -6,    /* the backend is missing or failed; samples and carried state
                                are forgotten */
  SAME_ERROR_MEMORY = -7,    /* out of memory or threads */
  SAME_ERROR_INTERNAL = -8   /* a fault of this library: please report it */
} same_result;

typedef enum same_pose_status {
  SAME_INVALID = 0, /* do not use: the last known joints, zeros, or made from nonsense */
  SAME_LIMITED = 1, /* usable, but something is missing: see the reasons */
  SAME_VALID = 2    /* every input was there */
} same_pose_status;

/* One fisheye camera (Kannala and Brandt, 2006; OpenCV's fisheye model). */
typedef struct same_camera {
  int32_t width, height; /* pixels */
  double fx, fy, cx, cy; /* pixels; pixel centres are at integers */
  double k[4];           /* lens coefficients k1..k4 */
  double T_head_cam[16]; /* camera (OpenCV axes) to headset (OpenXR axes) */
  double max_incidence;  /* largest angle that the lens images, radians, 0..pi */
} same_camera;

typedef struct same_rig {
  uint32_t size;
  uint32_t reserved;
  same_camera left, right;
} same_rig;

/* As same_runtime.TrackerOptions; same_options_init() fills in the defaults. */
typedef struct same_options {
  uint32_t size;
  int32_t threads;              /* for the visual stage; 0: as many as there are, four at most */
  const char* onnxruntime_path; /* ONNX Runtime's shared library; NULL: as the loader finds it */
  const char* provider;         /* "cpu", or another execution provider of that library */
  const char* precision;        /* "fp32", "fp16" or "int8": which graphs of the bundle run */
  double ground_y;              /* height of the floor in the world, metres */
  int64_t max_gap_ns;
  int64_t max_extrapolation_ns;
  int64_t max_prediction_ns;
  int64_t stale_after_ns;
  int64_t max_view_skew_ns;
  int32_t ring_capacity;     /* samples a device */
  int32_t hold_bone_lengths; /* 0 or 1, as the two below */
  int32_t solve_rotations;
  int32_t plant_feet;             /* takes solve_rotations along */
  double smoothing_min_cutoff_hz; /* One Euro filter; 0: none */
  double smoothing_cutoff_per_speed;
  /* Receives one-line warnings and hints, from any thread; NULL: nobody. It must not call this
     library. */
  void (*log)(const char* text, void* user);
  void* log_user;
} same_options;

/* As same_runtime.LiveOptions. */
typedef struct same_live_options {
  uint32_t size;
  int32_t between_frames; /* 0: re-anchor, 1: image-free estimates, 2: hold */
  double display_rate_hz; /* 1..1000 */
  double lost_rate_hz;    /* 1..240 */
  int64_t lead_ns;
  int64_t cameras_lost_after_ns;
  int64_t max_wait_ns;
  /* Now on the tracker's clock; NULL: this machine's monotonic clock. Called from the tracker's
     threads. */
  int64_t (*clock)(void* user);
  void* clock_user;
} same_live_options;

/* 8-bit gray images of the rig's size. */
typedef struct same_frame {
  uint32_t size;
  uint32_t reserved;
  int64_t timestamp_ns; /* mid-exposure */
  const uint8_t* left;  /* NULL: this camera gave no image */
  const uint8_t* right;
  int64_t left_row_stride; /* bytes from one row to the next */
  int64_t right_row_stride;
} same_frame;

/* One reading of each device at one time. Devices that are not `present` are not read. */
typedef struct same_readings {
  uint32_t size;
  uint32_t present; /* bit d: device d */
  int64_t timestamp_ns;
  double positions[3][3];     /* head and controllers, metres, world */
  double orientations[5][4];  /* device to world */
  double accelerations[2][3]; /* legs, m/s^2, world, gravity removed */
} same_readings;

typedef struct same_pose {
  uint32_t size;
  int32_t status; /* same_pose_status */
  int32_t reason_count;
  int32_t has_skeleton;              /* 1 with solve_rotations: the fields from there on count */
  int32_t reasons[SAME_MAX_REASONS]; /* gravest first; same_reason_name() */
  int64_t timestamp_ns;
  int64_t latency_ns;
  double joints_world[SAME_JOINTS][3];
  double joints_cam_left[SAME_JOINTS][3];
  float joint_confidence[SAME_JOINTS]; /* 0..1 */
  double T_world_cam_left[16];
  double device_orientations[SAME_DEVICES][4]; /* world; zeros where a device is missing */
  double skeleton_joints[SAME_JOINTS][3];      /* world, bones of constant length */
  double rotations_world[SAME_JOINTS][4];      /* T-pose to world */
  double rotations_local[SAME_JOINTS][4];      /* joint to its parent */
  double velocities[SAME_JOINTS][3];           /* m/s, world */
  double turn_rates[SAME_JOINTS][3];           /* rad/s, world */
  double offsets[SAME_JOINTS][3];              /* from the parent, in the T-pose, metres */
  double foot_contacts[2];                     /* 0..1 */
} same_pose;

typedef struct same_stream_stats {
  int64_t newest_ns; /* SAME_NEVER before the first */
  uint64_t accepted, refused, restarts;
  double rate_hz;
  int32_t off_clock;
  int32_t reserved;
} same_stream_stats;

typedef struct same_stats {
  uint32_t size;
  uint32_t reserved;
  same_stream_stats streams[SAME_DEVICES + 1]; /* the devices, then the cameras */
  uint64_t frames_accepted, frames_dropped, frames_too_late, images_unpaired;
  uint64_t estimates;
  double estimate_rate_hz, estimate_median_ms, estimate_p99_ms;
  uint64_t poses_given_out, deadlines_missed;
  double output_rate_hz, output_p99_ms;
  uint64_t relocalisations, engine_failures, worker_errors;
} same_stats;

/* As same_runtime.CalibrationState. */
typedef enum same_calibration_state {
  SAME_CALIBRATION_DEFAULT = 0,    /* nothing given or measured */
  SAME_CALIBRATION_COLLECTING = 1, /* measuring */
  SAME_CALIBRATION_DONE = 2,       /* measured */
  SAME_CALIBRATION_GIVEN = 3,      /* given by the application */
  SAME_CALIBRATION_FAILED = 4      /* the measurement did not work; start it again */
} same_calibration_state;

/* What is known of the user. Where a state is DONE or GIVEN, its values are those, or newer ones.
 */
typedef struct same_calibration {
  uint32_t size;
  int32_t height_state; /* same_calibration_state, as the three below */
  int32_t legs_state;
  int32_t floor_state;
  int32_t forward_state;
  int32_t has_bone_lengths;         /* 0 or 1, as the two below */
  int32_t has_leg_straps;           /* they are known, and the sensors still sit so */
  int32_t legs_changed;             /* a leg sensor sits otherwise than it was measured or given */
  double user_height;               /* stature, metres; 0 until it is known */
  double ground_y;                  /* height of the floor in the world, metres */
  double bone_lengths[SAME_JOINTS]; /* metres from each joint's parent; the pelvis's is 0 */
  double head_height;         /* over the floor, as the user stood for the leg straps, metres */
  double leg_mountings[2][4]; /* left and right: from the sensor as worn to one worn right */
  double T_user_world[16];    /* from the space poses are given in to that they come out in */
  const char* legs_failure;   /* why legs_state is FAILED, else NULL; never freed */
} same_calibration;

/* --- This library ------------------------------------------------------------------------- */

/* The SAME_ABI_VERSION that the library was built with: compare it with the header's. */
SAME_API uint32_t same_abi_version(void);
/* Version of the library, such as "0.4.0". */
SAME_API const char* same_version(void);
/* What the last error in this thread was about; valid until this thread's next call. */
SAME_API const char* same_last_error(void);
/* NULL for an index that is none. */
SAME_API const char* same_joint_name(int32_t joint);
SAME_API const char* same_reason_name(int32_t reason);
/* Fill a struct of `size` bytes, its sizeof, with defaults. SAME_ERROR_INVALID for NULL or a size
   that no version of it had. */
SAME_API same_result same_options_init(same_options* options, size_t size);
SAME_API same_result same_live_options_init(same_live_options* options, size_t size);
SAME_API same_result same_rig_init(same_rig* rig, size_t size);
SAME_API same_result same_frame_init(same_frame* frame, size_t size);
SAME_API same_result same_readings_init(same_readings* readings, size_t size);
SAME_API same_result same_pose_init(same_pose* pose, size_t size);
SAME_API same_result same_stats_init(same_stats* stats, size_t size);
SAME_API same_result same_calibration_init(same_calibration* calibration, size_t size);

/* --- Opening and closing ------------------------------------------------------------------- */

/* Opens a bundle (UTF-8 path of the folder that same-export wrote), verifies all of it and warms
   the network up. `rig` NULL: the bundle's own, an example headset's unless same-export was given
   --rig. `options` NULL: the defaults. */
SAME_API same_result same_open(const char* bundle, const same_rig* rig, const same_options* options,
                               same_tracker* tracker);
/* Stops it and gives everything back, after calls that are under way in other threads. From its own
   callback: SAME_ERROR_STATE. */
SAME_API same_result same_close(same_tracker tracker);
/* The rig that the tracker works with. */
SAME_API same_result same_get_rig(same_tracker tracker, same_rig* rig);

/* --- Samples, at each device's own rate; each takes about a microsecond --------------------- */

/* How a stream's stamps come onto the tracker's clock; streams: devices 0..4, 5 the cameras. */
SAME_API same_result same_set_clock_given(same_tracker tracker, int32_t stream, int64_t offset_ns,
                                          double drift_ppm);
SAME_API same_result same_set_clock_estimated(same_tracker tracker, int32_t stream,
                                              int64_t min_latency_ns);
/* Device 0..2. `arrival_ns`: when it reached this machine, or SAME_ARRIVED_NOW. */
SAME_API same_result same_put_pose(same_tracker tracker, int32_t device, int64_t timestamp_ns,
                                   const double position[3], const double orientation_xyzw[4],
                                   int64_t arrival_ns);
/* Device 3..4. */
SAME_API same_result same_put_leg(same_tracker tracker, int32_t device, int64_t timestamp_ns,
                                  const double orientation_xyzw[4], const double acceleration[3],
                                  int64_t arrival_ns);
/* The images are copied. */
SAME_API same_result same_put_frame(same_tracker tracker, const same_frame* frame,
                                    int64_t arrival_ns);
/* One camera's image (0 left, 1 right); pairs are found by their stamps. */
SAME_API same_result same_put_image(same_tracker tracker, int32_t view, int64_t timestamp_ns,
                                    const uint8_t* pixels, int64_t row_stride, int64_t arrival_ns);

/* --- Poses ---------------------------------------------------------------------------------- */

/* A frame with one reading of each device; the pose at the frame's time. */
SAME_API same_result same_push(same_tracker tracker, const same_frame* frame,
                               const same_readings* readings, same_pose* pose);
/* A frame on the samples that were put. */
SAME_API same_result same_push_frame(same_tracker tracker, const same_frame* frame,
                                     int64_t arrival_ns, same_pose* pose);
/* The newest frame that was put, in this thread; SAME_NO_POSE when there is no new one. */
SAME_API same_result same_step(same_tracker tracker, same_pose* pose);
/* The pose at any time near the newest estimate. */
SAME_API same_result same_at_time(same_tracker tracker, int64_t timestamp_ns, same_pose* pose);
/* The newest pose; INVALID before the first. */
SAME_API same_result same_latest(same_tracker tracker, same_pose* pose);

/* --- Live: two threads of the library's ------------------------------------------------------ */

/* `options` NULL: the defaults. same_push, same_push_frame and same_step are closed meanwhile. */
SAME_API same_result same_start(same_tracker tracker, const same_live_options* options);
/* After the running estimate. From the callback it does not wait. */
SAME_API same_result same_stop(same_tracker tracker);
/* Receives each pose that is given out, in the library's thread: it must be quick. NULL: nobody.
   Not called any more once this has returned. `pose` lasts for the call. */
typedef void (*same_pose_callback)(const same_pose* pose, void* user);
SAME_API same_result same_on_pose(same_tracker tracker, same_pose_callback callback, void* user);

/* --- Calibration ----------------------------------------------------------------------------- */

/* Where the head looks now becomes forward, and its place on the floor the origin unless
   keep_place is 1. */
SAME_API same_result same_recentre(same_tracker tracker, int32_t keep_place);
SAME_API same_result same_set_floor(same_tracker tracker, double ground_y);
/* Takes the lower controller's height now; `ground_y` may be NULL. */
SAME_API same_result same_floor_from_controller(same_tracker tracker, double* ground_y);
/* The user stands upright and still for two seconds from now on. */
SAME_API same_result same_start_legs(same_tracker tracker);
/* Metres from each joint's parent, 0.01..1; the pelvis's is not used. */
SAME_API same_result same_set_bone_lengths(same_tracker tracker, const double lengths[SAME_JOINTS]);
/* Another user: height and bones are measured anew, leg sensors count as worn right. */
SAME_API same_result same_forget_user(same_tracker tracker);
/* How the sensors were strapped on, as same_get_calibration() told it after same_start_legs(), when
   they still are: `head_height` 0.4..2.5 metres, mountings as unit quaternions. */
SAME_API same_result same_set_leg_straps(same_tracker tracker, double head_height,
                                         const double left_mounting_xyzw[4],
                                         const double right_mounting_xyzw[4]);
/* What to keep for the user's next session, and how far each calibration is. */
SAME_API same_result same_get_calibration(same_tracker tracker, same_calibration* calibration);

/* Head and controllers are told in another space from `timestamp_ns` on, as a runtime's reference
   space changes when the user recentres the headset: its origin was at `position` and
   `orientation_xyzw`, a turn about y, in the space before (OpenXR: changeTime and
   poseInPreviousSpace). Of samples that come after the call: make it before the first one of the
   new space. Poses of that time come out in the new space, of the same body in the same place. The
   floor stays where it is, and leg sensors face where they did unless `legs_too` is 1: they are
   told in that space too. */
SAME_API same_result same_reference_space_changed(same_tracker tracker, int64_t timestamp_ns,
                                                  const double position[3],
                                                  const double orientation_xyzw[4],
                                                  int32_t legs_too);

/* Forgets all samples and carried state, as after opening; counters stay. */
SAME_API same_result same_reset(same_tracker tracker);
SAME_API same_result same_get_stats(same_tracker tracker, same_stats* stats);

#ifdef __cplusplus
}
#endif

#endif /* SAME_SAME_H */
