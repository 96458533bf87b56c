// What was asked to go wrong with calls of exported functions. Every exported function is a Call, so
// whatever is done here is done to all of them.
#ifndef NVML_MIG_SIMULATOR_FAULTS_H
#define NVML_MIG_SIMULATOR_FAULTS_H

#include "exported.h"

namespace nvml_mig::simulator {

template <class Played>
auto Call(Exported function, Played played) -> decltype(played()) {
  CountCall(function);
  return played();
}

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_FAULTS_H
