// Reads what write_raw.py writes, whole, into memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "raw_recording.h"

struct RawEvent {
  raw_sample sample;
  const uint8_t* images[2];  // left, right; null where there is none
};

struct RawRecording {
  RawRecording() = default;
  RawRecording(RawRecording&&) = default;  // not to be copied: the images lie in `bytes`

  raw_camera cameras[2]{};
  std::vector<RawEvent> events;  // as they arrived
  std::vector<char> bytes;
};

// Throws std::runtime_error for another file.
inline RawRecording read_raw(const std::string& path) {
  RawRecording read;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file ? std::streamoff(file.tellg()) : 0;
  read.bytes.resize(static_cast<size_t>(size));
  file.seekg(0).read(read.bytes.data(), size);
  const char* at = read.bytes.data();
  const char* const end = at + read.bytes.size();
  const auto expect = [&](bool right) {
    if (!right) throw std::runtime_error(path + ": expected what write_raw.py writes");
  };
  const auto take = [&](size_t count) {
    expect(static_cast<size_t>(end - at) >= count);
    return std::exchange(at, at + count);
  };
  expect(std::memcmp(take(8), RAW_MAGIC, 8) == 0);
  std::memcpy(read.cameras, take(sizeof read.cameras), sizeof read.cameras);
  const size_t width = static_cast<size_t>(read.cameras[0].width);
  const size_t image = width * static_cast<size_t>(read.cameras[0].height);
  while (at < end) {
    RawEvent event{};
    std::memcpy(&event.sample, take(sizeof event.sample), sizeof event.sample);
    expect(event.sample.kind <= RAW_FRAME);
    for (int view = 0; event.sample.kind == RAW_FRAME && view < 2; ++view)
      if (event.sample.images >> view & 1)
        event.images[view] = reinterpret_cast<const uint8_t*>(take(image));
    read.events.push_back(event);
  }
  return read;
}
