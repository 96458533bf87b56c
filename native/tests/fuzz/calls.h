// Every function that the simulator exports and its control table's, to be called with whatever a
// record stands for; and what others do to a node's files. A function of native/abi/symbols.h is here
// because it is there.
#ifndef NVML_MIG_TESTS_FUZZ_CALLS_H
#define NVML_MIG_TESTS_FUZZ_CALLS_H

#include <functional>
#include <string>
#include <vector>

#include "abi/simulator_control.h"
#include "known.h"
#include "program.h"
#include "ring.h"

namespace nvml_mig::fuzz {

// Returns the function's code; NVML_SUCCESS for a function that returns something else.
using Call = std::function<nvmlReturn_t(const Record&, Known*)>;
const Ring<Call>& Calls();

// Carries out a command of the table that lib/simulator reaches a node by; `sentence`, if it is asked
// for, gets what the simulator says of it.
nvmlReturn_t Command(SimulatorCommand command, const std::vector<unsigned>& arguments = {},
                     std::string* sentence = nullptr);

// Takes out the faults that stand in the node, so that what follows answers for itself.
void EndFaults();
// Shuts down until nothing is initialised, however often it was.
void ShutDown();

}  // namespace nvml_mig::fuzz
#endif  // NVML_MIG_TESTS_FUZZ_CALLS_H
