// Every function that the simulator exports and its control table's, to be called with whatever a
// record stands for; and what others do to a node's files. A function of native/abi/symbols.h is here
// because it is there.
#ifndef NVML_MIG_TESTS_FUZZ_CALLS_H
#define NVML_MIG_TESTS_FUZZ_CALLS_H

#include <functional>

#include "abi/simulator_control.h"
#include "known.h"
#include "program.h"
#include "ring.h"

namespace nvml_mig::fuzz {

// Returns the function's code; NVML_SUCCESS for a function that returns something else.
using Call = std::function<nvmlReturn_t(const Record&, Known*)>;
const Ring<Call>& Calls();

// The table that lib/simulator reaches a node by.
const SimulatorControl& Control();
// Carries a command out; the sentence is empty when the result is NVML_SUCCESS.
nvmlReturn_t Command(SimulatorCommand command, std::string* sentence);

// Shuts down until nothing is initialised, however often it was.
void ShutDown();

}  // namespace nvml_mig::fuzz
#endif  // NVML_MIG_TESTS_FUZZ_CALLS_H
