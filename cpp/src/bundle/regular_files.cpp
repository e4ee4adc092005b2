#include "bundle/regular_files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "same/bundle.hpp"

#ifdef _WIN32
#include <fstream>
#else
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace same {
namespace {

constexpr size_t kLongestName = 255;

std::filesystem::path as_path(const std::string& utf8) {
  return {std::u8string(utf8.begin(), utf8.end())};
}

size_t count_characters(const std::string& utf8) {
  return std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xc0) != 0x80; });
}

// The names between the slashes, without those that mean "here".
std::vector<std::string> parts_of(const std::string& folder, const std::string& relative) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= relative.size();) {
    const size_t end = std::min(relative.find('/', at), relative.size());
    std::string part = relative.substr(at, end - at);
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
    at = end + 1;
  }
  const bool leaves = std::find(parts.begin(), parts.end(), "..") != parts.end();
  const bool odd = relative.find_first_of(std::string_view("\\:\0", 3)) != relative.npos;
  if (parts.empty() || leaves || odd || relative.front() == '/' ||
      count_characters(relative) > kLongestName)
    throw BundleError("bundle " + folder + ": file name '" + relative.substr(0, 64) +
                      "' leaves the bundle");
  return parts;
}

[[noreturn]] void refuse(const std::string& where, const std::string& why) {
  throw BundleError(where + ": " + why);
}

[[noreturn]] void refuse_missing(const std::string& where) {
  refuse(where, "missing from the bundle; export or download it again");
}

[[noreturn]] void refuse_link(const std::string& where, const std::string& folder) {
  refuse(where,
         "a link; a bundle holds plain files only; if a model hub's cache put it there, copy what "
         "it links to: cp -rL " +
             folder + " COPY.same");
}

[[noreturn]] void refuse_size(const std::string& where, int64_t most_bytes) {
  refuse(where, "larger than the " + std::to_string(most_bytes) + " bytes allowed");
}

}  // namespace

bool is_folder(const std::string& path) {
  std::error_code failed;
  return std::filesystem::is_directory(as_path(path), failed);
}

#ifdef _WIN32

std::string read_inside(const std::string& folder, const std::string& relative,
                        int64_t most_bytes) {
  std::filesystem::path path = as_path(folder);
  const std::string where = folder + "/" + relative;
  std::error_code failed;
  for (const std::string& part : parts_of(folder, relative)) {
    path /= as_path(part);
    if (std::filesystem::is_symlink(path, failed)) refuse_link(where, folder);
  }
  if (!std::filesystem::exists(path, failed)) refuse_missing(where);
  if (!std::filesystem::is_regular_file(path, failed)) refuse(where, "not a regular file");
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) refuse(where, "cannot be read");
  const auto size = static_cast<int64_t>(file.tellg());
  if (size > most_bytes) refuse_size(where, most_bytes);
  std::string content(static_cast<size_t>(size), '\0');
  file.seekg(0);
  if (!file.read(content.data(), size)) refuse(where, "cannot be read");
  return content;
}

#else

namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

std::string read_whole(const Descriptor& file, size_t size, const std::string& where) {
  std::string content(size, '\0');
  size_t have = 0;
  while (have < size) {
    const ssize_t came = read(file.number(), content.data() + have, size - have);
    if (came < 0 && errno == EINTR) continue;
    if (came < 0) refuse(where, std::string("cannot be read (") + std::strerror(errno) + ")");
    if (came == 0) break;
    have += static_cast<size_t>(came);
  }
  content.resize(have);
  return content;
}

}  // namespace

std::string read_inside(const std::string& folder, const std::string& relative,
                        int64_t most_bytes) {
  const std::vector<std::string> parts = parts_of(folder, relative);
  // Each folder is opened in the last one, so that no link can be put in between. Opening a FIFO
  // does not wait for a writer.
  constexpr int kFlags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
  Descriptor at(::open(folder.c_str(), kFlags | O_DIRECTORY));
  std::string where = folder;
  for (size_t i = 0; i < parts.size(); ++i) {
    where += "/" + parts[i];
    struct stat found{};
    const int parent = at.number();
    if (parent >= 0 && fstatat(parent, parts[i].c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(found.st_mode))
      refuse_link(where, folder);
    const int how = i + 1 < parts.size() ? O_DIRECTORY : 0;
    at = Descriptor(parent < 0 ? -1 : openat(parent, parts[i].c_str(), kFlags | O_NOFOLLOW | how));
    if (at.number() < 0 && (errno == ENOENT || errno == ENOTDIR)) refuse_missing(where);
    if (at.number() < 0)
      refuse(where, std::string("cannot be read (") + std::strerror(errno) + ")");
  }
  struct stat found{};
  if (fstat(at.number(), &found) != 0 || !S_ISREG(found.st_mode))
    refuse(where, "not a regular file");
  if (found.st_size > most_bytes) refuse_size(where, most_bytes);
  return read_whole(at, static_cast<size_t>(found.st_size), where);
}

#endif

}  // namespace same
