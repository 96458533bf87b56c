#include "root.h"

namespace nvml_mig::simulator {

void ShowInstances(const Image&, const State&, const State&, std::uint64_t) {}

}  // namespace nvml_mig::simulator
