// Files that lie in a bundle's folder: regular ones only, of bounded size, no links.
#pragma once

#include <cstdint>
#include <string>

namespace same {

// The content of `relative` below `folder`; both UTF-8. Throws BundleError for a name that leaves
// the folder, a link, anything but a regular file, and more than `most_bytes`.
std::string read_inside(const std::string& folder, const std::string& relative, int64_t most_bytes);

bool is_folder(const std::string& path);

}  // namespace same
