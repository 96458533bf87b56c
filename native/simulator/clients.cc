#include "clients.h"

namespace nvml_mig::simulator {

void ForgetEndedClients(NodeState&) {}

}  // namespace nvml_mig::simulator
