// What Python calls Ingestion: the core's, and the rings it fills kept alive.
#pragma once

#include <memory>
#include <utility>

#include "same/ingestion.hpp"

namespace same::bindings {

class LiveIngestion {
 public:
  explicit LiveIngestion(std::shared_ptr<Synchroniser> synchroniser)
      : synchroniser_(std::move(synchroniser)), ingestion(*synchroniser_) {}

 private:
  std::shared_ptr<Synchroniser> synchroniser_;

 public:
  Ingestion ingestion;
};

}  // namespace same::bindings
