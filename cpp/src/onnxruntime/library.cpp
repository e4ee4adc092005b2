#include "onnxruntime/library.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "onnxruntime/operator.hpp"
#include "same/engine.hpp"

#ifdef _WIN32
#include <filesystem>
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace same::ort {
namespace {

constexpr const char* kTelemetry = "ORT_DISABLE_TELEMETRY";
constexpr const char* kEntry = "OrtGetApiBase";

using GetApiBase = const OrtApiBase*(ORT_API_CALL*)();

#ifdef _WIN32

void set_default(const char* name, const char* value) {
  if (std::getenv(name) == nullptr) _putenv_s(name, value);
}

GetApiBase find_entry(const std::string& path) {
  const std::filesystem::path file(std::u8string(path.begin(), path.end()));
  const HMODULE library = LoadLibraryW(file.c_str());
  if (library == nullptr)
    throw EngineError("onnxruntime: cannot load " + path + " (error " +
                      std::to_string(GetLastError()) + ")");
  return reinterpret_cast<GetApiBase>(GetProcAddress(library, kEntry));
}

#else

void set_default(const char* name, const char* value) { setenv(name, value, 0); }

GetApiBase find_entry(const std::string& path) {
  // Kept apart from other copies of it in the process, and never unloaded: its threads may outlive
  // an engine.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    const char* said = dlerror();
    throw EngineError("onnxruntime: cannot load " + path + " (" +
                      (said == nullptr ? "unknown reason" : said) + ")");
  }
  return reinterpret_cast<GetApiBase>(dlsym(library, kEntry));
}

#endif

}  // namespace

Library::Library(const std::string& path) {
  if (path.empty())
    throw EngineError("onnxruntime: library: expected the path of ONNX Runtime's library");
  // Its Linux builds start a telemetry client as soon as they are loaded.
  set_default(kTelemetry, "1");
  const GetApiBase get_base = find_entry(path);
  const OrtApiBase* base = get_base == nullptr ? nullptr : get_base();
  if (base == nullptr) throw EngineError("onnxruntime: " + path + " is not ONNX Runtime's library");
  api_ = base->GetApi(kApiVersion);
  if (api_ == nullptr)
    throw EngineError("onnxruntime: " + path + " is version " + base->GetVersionString() +
                      ", expected 1.20 or later");
  OrtEnv* env = nullptr;
  check(api_->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "same", &env), "cannot start");
  env_ = {env, api_->ReleaseEnv};
  const char* telemetry = std::getenv(kTelemetry);
  if (telemetry == nullptr || std::strcmp(telemetry, "0") != 0)
    check(api_->DisableTelemetryEvents(env), "telemetry");
}

std::string Library::error_of(OrtStatus* status) const {
  if (status == nullptr) return "";
  std::string said = api_->GetErrorMessage(status);
  api_->ReleaseStatus(status);
  constexpr size_t kLongest = 300;
  std::replace_if(
      said.begin(), said.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return said.empty() ? "unknown error" : said.substr(0, kLongest);
}

void Library::check(OrtStatus* status, const std::string& what) const {
  const std::string said = error_of(status);
  if (!said.empty()) throw EngineError("onnxruntime: " + what + ": " + said);
}

}  // namespace same::ort
