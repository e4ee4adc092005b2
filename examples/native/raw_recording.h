/* What write_raw.py writes: a recording without a container, for programs that want no library.
 *
 * Little-endian, one after the other: "SAMERAW1", the rig as two raw_camera, left and right; then
 * samples as they arrived: a raw_sample, and after a frame its images, left before right, width *
 * height bytes each where `images` says so.
 */
#ifndef RAW_RECORDING_H
#define RAW_RECORDING_H

#include <stdint.h>

#define RAW_MAGIC "SAMERAW1"
#define RAW_FRAME 5 /* other kinds are devices: head, controllers, legs */

typedef struct raw_camera {
  int32_t width, height;
  double fx, fy, cx, cy, k[4], T_head_cam[16], max_incidence;
} raw_camera;

typedef struct raw_sample {
  uint32_t kind;
  uint32_t images; /* bit 0: left, bit 1: right */
  int64_t timestamp_ns, arrival_ns;
  double position[3], orientation_xyzw[4], acceleration[3];
} raw_sample;

#endif /* RAW_RECORDING_H */
