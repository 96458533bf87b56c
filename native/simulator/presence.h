// Which processes have NVML initialised on a node. While one has, it keeps node.image open with a read
// lock on one byte far behind the file's end, whose place is the process's number; whoever wants to
// know asks the kernel for those locks. So nothing is written, a process that is killed is away at
// once, and one that may only read the node counts too. Processes that have the same number in
// different PID namespaces look like one, and a client that closes descriptors of others takes its
// process out of sight.
//
// All but OthersArePresent is to be called with the library's lock held.
#ifndef NVML_MIG_SIMULATOR_PRESENCE_H
#define NVML_MIG_SIMULATOR_PRESENCE_H

#include "image.h"

namespace nvml_mig::simulator {

// From the first init on, and until the last shutdown. A process without a free descriptor is not seen.
void AnnouncePresence(const Image& image);
void WithdrawPresence();
// For a forked child: its copy of the descriptor would speak for its parent as long as it lives.
void WithdrawPresenceInChild();

// Whether a process other than this one has NVML initialised on the node.
[[nodiscard]] bool OthersArePresent(const Image& image);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_PRESENCE_H
