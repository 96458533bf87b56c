#include "events.h"

namespace nvml_mig::simulator {

void TellMigChanges(const Image&, const State&, const State&, Outbox*) {}

}  // namespace nvml_mig::simulator
