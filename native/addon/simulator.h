// The addon's way to a simulated node: the control table of its own library.
#ifndef NVML_MIG_ADDON_SIMULATOR_H
#define NVML_MIG_ADDON_SIMULATOR_H

#include <napi.h>

namespace nvml_mig {

// Adds simulatorCommand and simulatorCalls; lib/binding.ts documents them.
void export_simulator_functions(Napi::Env env, Napi::Object exports);

}  // namespace nvml_mig

#endif  // NVML_MIG_ADDON_SIMULATOR_H
