#include "release_stamp.h"

#include <cstdlib>
#include <cstring>

namespace nvml_mig::simulator {
namespace {

// lib/simulator/node-library.ts looks for the marker, which the file has nowhere else; of a constant
// there would be another in what the file keeps for debuggers.
ReleaseStamp stamp = {"nvml-mig: a library of release:", "", ""};

}  // namespace

// The compiler may not know what the file will say there.
const ReleaseStamp& OwnRelease() {
  ReleaseStamp* at = &stamp;
  __asm__("" : "+r"(at));
  return *at;
}

unsigned OwnBranch() {
  return static_cast<unsigned>(std::strtoul(OwnRelease().driverVersion, nullptr, 10));
}

bool ServesModule(const Node& module) {
  const char* const own = OwnRelease().driverVersion;
  return own[0] == '\0' || std::strcmp(own, module.driverVersion) == 0;
}

}  // namespace nvml_mig::simulator
