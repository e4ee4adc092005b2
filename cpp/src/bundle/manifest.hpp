// The manifest of a bundle, checked field by field as same_engines/bundle/manifest.py does.
#pragma once

#include <string>
#include <string_view>

#include "same/bundle.hpp"

namespace same {

constexpr int64_t kMostFileBytes = int64_t{192} << 20;
constexpr int64_t kMostNodes = 1024;
constexpr int64_t kMostMemoryBytes = int64_t{192} << 20;
constexpr size_t kMostDimensions = 8;
constexpr int64_t kMostElements = int64_t{1} << 26;

// `where` names the file. Throws BundleError.
Manifest parse_manifest(std::string_view raw, const std::string& where);

// Throws BundleError, naming `where`, for more than any graph may take.
void check_budget(const GraphBudget& budget, const std::string& where);

// Product of the lengths, or `most` + 1 where it is more than `most`.
int64_t bounded_product(const std::vector<int64_t>& lengths, int64_t most);

}  // namespace same
