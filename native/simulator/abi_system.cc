// The library itself: init, versions, words for codes.
#include "calls.h"
#include "release_stamp.h"

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

// The branch of the library's own release, where the node cannot be asked the newest.
unsigned BranchOfLibrary() {
  if (const unsigned own = OwnBranch(); own != 0) return own;
  if (const Image* image = InitialisedImage(); image != nullptr) return image->node().driverBranch;
  const PreInitImage opened;
  return opened.get() != nullptr ? opened.get()->node().driverBranch : ~0u;
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
  return WordsFor(static_cast<unsigned>(result), BranchOfLibrary());
}

nvmlReturn_t played::nvmlSystemGetDriverVersion(char* version, unsigned int length) {
  NVML_MIG_ENTER();
  return GiveText(version, length, image->node().driverVersion);
}

nvmlReturn_t played::nvmlSystemGetNVMLVersion(char* version, unsigned int length) {
  if (const Image* image = InitialisedImage(); image != nullptr) {
    return GiveText(version, length, image->node().nvmlVersion);
  }
  if (const unsigned own = OwnBranch(); own != 0) {
    if (own < kFirstBranchWithEarlyVersion) return NVML_ERROR_UNINITIALIZED;
    return GiveText(version, length, OwnRelease().nvmlVersion);
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
