// The tensors that each stage reads and writes, derived from the network's sizes.
#pragma once

#include "same/bundle.hpp"

namespace same {

// As same_runtime/estimation/signatures.py: throws BundleError unless every graph reads and writes
// what the configuration says, float32 but where half precision may be.
void check_signatures(const Manifest& manifest, const std::string& where);

}  // namespace same
