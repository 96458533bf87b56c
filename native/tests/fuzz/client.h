// What clients do with a node, in a few calls.
#ifndef NVML_MIG_TESTS_FUZZ_CLIENT_H
#define NVML_MIG_TESTS_FUZZ_CLIENT_H

#include "known.h"

namespace nvml_mig::fuzz {

// Asks for all there is.
void Learn(Known* known);

// From a fresh boot: MIG on, and on each GPU an instance of every profile that still fits, with a
// compute instance in it.
void BringToLife();

}  // namespace nvml_mig::fuzz
#endif  // NVML_MIG_TESTS_FUZZ_CLIENT_H
