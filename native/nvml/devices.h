// The physical GPUs of a session, known by their UUIDs.
#ifndef NVML_MIG_NVML_DEVICES_H
#define NVML_MIG_NVML_DEVICES_H

#include <string>
#include <string_view>
#include <vector>

#include "library.h"

namespace nvml {

// What a GPU says of itself. A field that could not be read is kNone, 0 bytes or empty text.
struct DeviceIdentity {
  Status status;  // why the GPU could not be opened; then nothing else is known
  unsigned minor_number = kNone;
  unsigned architecture = kNone;
  unsigned compute_capability_major = kNone;
  unsigned compute_capability_minor = kNone;
  unsigned pci_device_id = kNone;
  unsigned pci_subsystem_id = kNone;
  bool mig_capable = false;
  unsigned long long memory_total_bytes = 0;
  std::string name;
  std::string uuid;
  std::string serial;
  std::string bus_id;
};

// Empty or kNone where the library does not say, with the reason beside it.
struct Versions {
  Status driver_status;
  std::string driver;
  Status nvml_status;
  std::string nvml;
  Status cuda_status;
  unsigned cuda_driver = kNone;  // 1000 * major + 10 * minor
};

struct MigMode {
  unsigned current = 0;
  unsigned pending = 0;
};

// Bytes of a GPU, or of the instance behind a MIG device. The newer form of the call counts what the
// driver keeps on its own; in the older one it is part of `used`.
struct Memory {
  unsigned long long total = 0;
  unsigned long long free = 0;
  unsigned long long used = 0;
  Told<unsigned long long> reserved;
};

// GPUs by their place in NVML's order when the session was opened. Handles are cached, because
// looking one up may wake a GPU, and fetched again by UUID once they are dropped: a mode change, a
// lost GPU or a reset can leave them pointing at nothing. Used by one thread at a time.
class Devices {
 public:
  // Reads every GPU. One that cannot be opened is listed with its status. From the second time on,
  // with a library that was opened anew, those known before keep their places, whether they are
  // still there or not; others come after them.
  Status list(const Library& nvml, std::vector<DeviceIdentity>* identities);

  // How many there are, also those that could not be opened.
  unsigned count() const { return static_cast<unsigned>(entries_.size()); }
  Status handle(unsigned gpu, nvmlDevice_t* device);
  void drop_handle(unsigned gpu);

  // Empty for a GPU that could not be opened yet.
  const std::string& uuid(unsigned gpu) const { return entries_[gpu].uuid; }
  // kNone if no GPU of the session has this UUID.
  unsigned place_of(std::string_view uuid) const;

 private:
  struct Entry {
    std::string uuid;
    nvmlDevice_t handle = nullptr;
  };
  Status open(unsigned gpu);
  // Finds room for GPUs that were not there, or could not be opened, before.
  void meet(unsigned count);

  const Library* nvml_ = nullptr;
  std::vector<Entry> entries_;
};

Versions read_versions(const Library& nvml);

Status read_mig_mode(const Library& nvml, nvmlDevice_t device, MigMode* mode);
// The returned status says whether the request was accepted; `activation` (nvmlReturn_t) whether it
// took effect. Handles of the GPU may be dead afterwards.
Status set_mig_mode(const Library& nvml, nvmlDevice_t device, bool on, unsigned* activation);

Status read_memory(const Library& nvml, nvmlDevice_t device, Memory* memory);
Told<nvmlBAR1Memory_t> read_bar1(const Library& nvml, nvmlDevice_t device);

// The UUID of a GPU or of a MIG device.
Status read_uuid(const Library& nvml, nvmlDevice_t device, std::string* uuid);
// The marketing name; of a MIG device its GPU's name and its own profile's.
Status read_name(const Library& nvml, nvmlDevice_t device, std::string* name);

}  // namespace nvml

#endif  // NVML_MIG_NVML_DEVICES_H
