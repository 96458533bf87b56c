// A process that partitions a node's GPUs through the node's own library, as any NVML client may.
#ifndef NVML_MIG_TESTS_IMAGE_CLIENT_H
#define NVML_MIG_TESTS_IMAGE_CLIENT_H

#include <cstdint>

#include "ledger.h"
#include "simulator/image_layout.h"

namespace nvml_mig::image_tests {

// What all clients of a torture have in common.
struct ClientTask {
  const char* library;                  // path
  const simulator::ImageHeader& header;  // tells the stamp that a handle carries
  const Ledger& ledger;
};

// Loads the library and creates, destroys and lists in kThreads threads until the ledger says that it
// is over. What one thread finds is as often another's as its own. Ends the process with a sentence
// at an answer that no client may get, or two that contradict each other.
void WorkAsClient(const ClientTask& task, unsigned process, std::uint64_t seed);

}  // namespace nvml_mig::image_tests
#endif  // NVML_MIG_TESTS_IMAGE_CLIENT_H
