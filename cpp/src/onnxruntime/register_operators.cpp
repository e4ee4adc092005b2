// What ONNX Runtime calls in a library of operators that a program registers with it.
#include "onnxruntime/operator.hpp"
#include "same/same.h"

extern "C" SAME_API OrtStatus* ORT_API_CALL RegisterCustomOps(OrtSessionOptions* options,
                                                              const OrtApiBase* base) {
  const OrtApi* api = base->GetApi(same::ort::kApiVersion);
  if (api == nullptr)
    return base->GetApi(1)->CreateStatus(ORT_NOT_IMPLEMENTED,
                                         "expected ONNX Runtime 1.20 or later");
  return same::ort::add_operators(*api, options);
}
