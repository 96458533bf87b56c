// The library itself: init, versions, words for codes.
#include "calls.h"

using namespace nvml_mig::simulator;

namespace {

// NVML's version can be asked before init since this branch.
constexpr unsigned kFirstBranchWithEarlyVersion = 535;

// The words that drivers of the branch have for a code. Always text: a client prints it unseen.
const char* WordsFor(unsigned code, unsigned branch) {
  switch (code) {
#define ERROR_STRING(value, firstBranch, words) \
  case value:                                   \
    if (branch >= firstBranch) return words;    \
    break;
#include "error_strings.inc"
  }
  return "Unknown Error";
}

nvmlReturn_t GiveCudaVersion(const Image& image, int* version) {
  if (version == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  *version = static_cast<int>(image.node().cudaDriverVersion);
  return NVML_SUCCESS;
}

}  // namespace

nvmlReturn_t played::nvmlInit() {
  return Initialise();
}

nvmlReturn_t played::nvmlInit_v2() {
  return Initialise();
}

nvmlReturn_t played::nvmlInitWithFlags(unsigned int) {
  return Initialise();
}

nvmlReturn_t played::nvmlShutdown() {
  return Shutdown();
}

const char* played::nvmlErrorString(nvmlReturn_t result) {
  const auto code = static_cast<unsigned>(result);
  if (const Image* image = InitialisedImage(); image != nullptr) {
    return WordsFor(code, image->node().driverBranch);
  }
  const PreInitImage opened;
  const bool known = opened.get() != nullptr;
  return WordsFor(code, known ? opened.get()->node().driverBranch : ~0u);
}

nvmlReturn_t played::nvmlSystemGetDriverVersion(char* version, unsigned int length) {
  NVML_MIG_ENTER();
  return GiveText(version, length, image->node().driverVersion);
}

nvmlReturn_t played::nvmlSystemGetNVMLVersion(char* version, unsigned int length) {
  if (const Image* image = InitialisedImage(); image != nullptr) {
    return GiveText(version, length, image->node().nvmlVersion);
  }
  const PreInitImage opened;
  if (opened.get() == nullptr ||
      opened.get()->node().driverBranch < kFirstBranchWithEarlyVersion) {
    return NVML_ERROR_UNINITIALIZED;
  }
  return GiveText(version, length, opened.get()->node().nvmlVersion);
}

nvmlReturn_t played::nvmlSystemGetCudaDriverVersion(int* version) {
  NVML_MIG_ENTER();
  return GiveCudaVersion(*image, version);
}

nvmlReturn_t played::nvmlSystemGetCudaDriverVersion_v2(int* version) {
  NVML_MIG_ENTER();
  return GiveCudaVersion(*image, version);
}
