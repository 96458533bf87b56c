// Where a test may interrupt a change: at every step between taking the lock and giving it back. A
// test compiles the image's sources with SIMULATOR_STEPS naming a header that defines
// SIMULATOR_STEP(name); everywhere else a step is nothing.
#ifndef NVML_MIG_SIMULATOR_STEPS_H
#define NVML_MIG_SIMULATOR_STEPS_H

#ifdef SIMULATOR_STEPS
#include SIMULATOR_STEPS
#else
#define SIMULATOR_STEP(name) ((void)0)
#endif

#endif  // NVML_MIG_SIMULATOR_STEPS_H
