// The MIG devices that this process has seen, for nodes that speak the dialect of stale handles: there
// a process that is initialised goes on listing a MIG device that was destroyed meanwhile, under the
// index it had, and the device's handle goes on answering with what was. Nothing else uses this.
//
// A seen device is a GPU instance with its one compute instance first. Indices are given out in the
// order of seeing. What was seen is forgotten at the next first init and when MIG mode goes off; a
// new device takes the index of one that had its ids, or of a dead one when there is no other, so
// that every live device has an index.
#ifndef NVML_MIG_SIMULATOR_SEEN_DEVICES_H
#define NVML_MIG_SIMULATOR_SEEN_DEVICES_H

#include "handles.h"
#include "machine.h"

namespace nvml_mig::simulator {

// To be called once, before the handlers of any lock that is held while these are called.
void GuardSeenDevicesForForks();

void ForgetSeenDevices();
// Sees what lives on a GPU; `change` numbers the state looked at, and an older one shows nothing.
void SeeMigDevices(const GpuView& at, std::uint64_t change);

// The device that has an index in this process, and the one that a handle was given out for; false
// where there is none.
[[nodiscard]] bool SeenMigDeviceAt(unsigned gpu, unsigned index, GpuInstance* seen);
[[nodiscard]] bool FindSeenMigDevice(const Handle& handle, GpuInstance* seen, unsigned* index);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_SEEN_DEVICES_H
