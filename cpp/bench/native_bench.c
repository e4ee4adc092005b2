/* What the tracker costs an app without Python, as JSON: `same-bench native` builds and runs it.
 *
 *   native_bench BUNDLE LIBONNXRUNTIME WIDTH HEIGHT THREADS FRAMES SECONDS
 *
 * The network's time does not depend on what the cameras see: images are a chessboard.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "same/same.h"

enum { DISPLAY_HZ = 90, SAMPLES = 10, DEVICES = 5 }; /* SAMPLES of each device a frame */

static const double kPlace[3] = {0.0, 1.6, 0.0}, kTurn[4] = {0.0, 0.0, 0.0, 1.0},
                    kStill[3] = {0.0, 0.0, 0.0};

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void sleep_until(int64_t time_ns) {
  const int64_t left_ns = time_ns - now_ns();
  struct timespec rest;
  if (left_ns <= 0) return;
  rest.tv_sec = left_ns / 1000000000;
  rest.tv_nsec = left_ns % 1000000000;
  nanosleep(&rest, NULL);
}

static void check(same_result result, const char* what) {
  if (result == SAME_OK) return;
  fprintf(stderr, "%s: %s\n", what, same_last_error());
  exit(1);
}

static int by_value(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

static double quantile(double* values, int count, double q) {
  qsort(values, (size_t)count, sizeof *values, by_value);
  return values[(int)(q * (count - 1) + 0.5)];
}

static void print_quantiles(const char* name, double* values, int count) {
  printf("\"%s\": {\"count\": %d, \"p50\": %.4f, \"p99\": %.4f, \"max\": %.4f},\n", name, count,
         quantile(values, count, 0.5), quantile(values, count, 0.99), quantile(values, count, 1.0));
}

/* One reading of each device; the wearer sways, as a headset on a table does not. */
static void fill(same_readings* readings, int64_t timestamp_ns) {
  const int64_t swayed = timestamp_ns / 10000000 % 200;
  const double sway = 0.0005 * (double)(swayed < 100 ? swayed : 200 - swayed);
  int device, axis;
  readings->timestamp_ns = timestamp_ns;
  readings->present = 31;
  for (device = 0; device < 5; ++device)
    for (axis = 0; axis < 4; ++axis) readings->orientations[device][axis] = kTurn[axis];
  for (device = 0; device < 3; ++device) {
    for (axis = 0; axis < 3; ++axis) readings->positions[device][axis] = kPlace[axis];
    readings->positions[device][0] = sway + 0.3 * (device == 1) - 0.3 * (device == 2);
  }
}

/* Milliseconds of each push of a frame with all readings, as fast as they go. */
static void measure_push(same_tracker tracker, same_frame* frame, int frames) {
  double* took_ms = malloc((size_t)frames * sizeof *took_ms);
  same_readings readings;
  same_pose pose;
  int i;
  if (!took_ms) exit(1);
  same_readings_init(&readings, sizeof readings);
  same_pose_init(&pose, sizeof pose);
  for (i = -32; i < frames; ++i) {
    const int64_t timestamp_ns = INT64_C(1000000000) + (i + 32) * INT64_C(11111111);
    int64_t began_ns;
    frame->timestamp_ns = timestamp_ns;
    fill(&readings, timestamp_ns);
    began_ns = now_ns();
    check(same_push(tracker, frame, &readings, &pose), "same_push");
    if (i >= 0) took_ms[i] = 1e-6 * (double)(now_ns() - began_ns);
  }
  if (pose.reason_count > 0) {
    fprintf(stderr, "the network did not run whole: %s\n", same_reason_name(pose.reasons[0]));
    exit(1);
  }
  print_quantiles("push_ms", took_ms, frames);
  free(took_ms);
}

/* All devices' samples of one frame's time: 900 a second, more than any device sends. */
static void put_samples(same_tracker tracker, int64_t from_ns) {
  int sample, device;
  for (sample = 0; sample < SAMPLES; ++sample) {
    const int64_t stamp_ns = from_ns + sample * INT64_C(1100000);
    for (device = 0; device < 3; ++device)
      check(same_put_pose(tracker, device, stamp_ns, kPlace, kTurn, stamp_ns), "same_put_pose");
    for (; device < DEVICES; ++device)
      check(same_put_leg(tracker, device, stamp_ns, kTurn, kStill, stamp_ns), "same_put_leg");
  }
}

/* A started tracker fed at 90 Hz: nanoseconds a sample beside the running network. */
static void measure_live(same_tracker tracker, same_frame* frame, double seconds) {
  const int ticks = (int)(seconds * DISPLAY_HZ);
  double* sample_ns = malloc((size_t)ticks * sizeof *sample_ns);
  int64_t due_ns;
  same_stats before, stats;
  int tick;
  if (!sample_ns) exit(1);
  same_stats_init(&before, sizeof before);
  check(same_get_stats(tracker, &before), "same_get_stats");
  check(same_reset(tracker), "same_reset");
  check(same_start(tracker, NULL), "same_start");
  due_ns = now_ns();
  for (tick = 0; tick < ticks; ++tick) {
    int64_t began_ns;
    frame->timestamp_ns = due_ns;
    check(same_put_frame(tracker, frame, SAME_ARRIVED_NOW), "same_put_frame");
    sleep_until(due_ns + 2000000); /* in the middle of the network's run */
    began_ns = now_ns();
    put_samples(tracker, due_ns);
    sample_ns[tick] = (double)(now_ns() - began_ns) / (SAMPLES * DEVICES);
    due_ns += 1000000000 / DISPLAY_HZ;
    sleep_until(due_ns);
  }
  same_stats_init(&stats, sizeof stats);
  check(same_get_stats(tracker, &stats), "same_get_stats");
  check(same_stop(tracker), "same_stop");
  print_quantiles("put_sample_ns", sample_ns, ticks);
  printf("\"live\": {\"display_hz\": %d, \"poses\": %" PRIu64 ", \"deadlines_missed\": %" PRIu64
         ", \"estimates\": %" PRIu64 ", \"late_p99_ms\": %.4f, \"errors\": %" PRIu64 "},\n",
         DISPLAY_HZ, stats.poses_given_out, stats.deadlines_missed,
         stats.estimates - before.estimates, stats.output_p99_ms,
         stats.worker_errors + stats.engine_failures);
  free(sample_ns);
}

int main(int argc, char** argv) {
  const int64_t began_ns = now_ns();
  struct rusage usage;
  same_options options;
  same_tracker tracker;
  same_frame frame;
  uint8_t* pixels;
  size_t size, i;
  int width;
  if (argc != 8) return 2;
  same_options_init(&options, sizeof options);
  options.onnxruntime_path = argv[2];
  options.threads = atoi(argv[5]);
  check(same_open(argv[1], NULL, &options, &tracker), "same_open");
  printf("{\"open_ms\": %.1f,\n", 1e-6 * (double)(now_ns() - began_ns));
  width = atoi(argv[3]);
  size = (size_t)width * (size_t)atoi(argv[4]);
  pixels = malloc(size);
  if (!pixels) return 1;
  for (i = 0; i < size; ++i)
    pixels[i] = ((i % (size_t)width) / 40 + (i / (size_t)width) / 40) % 2 ? 200 : 40;
  same_frame_init(&frame, sizeof frame);
  frame.left = frame.right = pixels;
  frame.left_row_stride = frame.right_row_stride = width;
  measure_push(tracker, &frame, atoi(argv[6]));
  measure_live(tracker, &frame, atof(argv[7]));
  check(same_close(tracker), "same_close");
  free(pixels);
  getrusage(RUSAGE_SELF, &usage);
  printf("\"peak_memory_mib\": %.1f}\n", (double)usage.ru_maxrss / 1024.0);
  return 0;
}
