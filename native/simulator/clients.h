// Clients that are real processes: with the process's end they are gone.
#ifndef NVML_MIG_SIMULATOR_CLIENTS_H
#define NVML_MIG_SIMULATOR_CLIENTS_H

#include "image_layout.h"

namespace nvml_mig::simulator {

// Takes the clients out whose process has ended.
void ForgetEndedClients(NodeState& node);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_CLIENTS_H
