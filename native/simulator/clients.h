// Clients that are real processes: with the process's end they are gone.
#ifndef NVML_MIG_SIMULATOR_CLIENTS_H
#define NVML_MIG_SIMULATOR_CLIENTS_H

#include <cstdint>

#include "abi/nvml_abi.h"
#include "image_layout.h"
#include "reason.h"

namespace nvml_mig::simulator {

// What a client's record keeps of its process.
struct ClientProcess {
  std::uint64_t startTime = 0;  // 0: a simulated one
  char name[sizeof(Client::name)] = "";  // "": what it was called before, or a name by its pid
};

// Finds out what to keep. `follow` is a SimulatorFollow; a real process without a name goes by the one
// that the kernel has for it. NVML_ERROR_NOT_FOUND, with a sentence, for one that must live and does not.
nvmlReturn_t DescribeProcess(unsigned pid, unsigned follow, const char* name, ClientProcess* process,
                             Reason* reason);

// Takes the clients out whose process has ended: it is gone, it only waits to be buried, or another
// one has its number. Seen from a PID namespace in which a process has no number, it has ended.
void ForgetEndedClients(NodeState& node);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_CLIENTS_H
