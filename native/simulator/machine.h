// The rules of MIG: what a driver does with a GPU's mode and instances, and how it refuses. Every
// function works on one consistent state that it is given, and a refusal leaves that state as it
// was. Codes are NVML's, because which code a refusal has is part of the rules; pointers and
// handles from outside never get here.
//
// Where a rule was recorded, documented or derived: docs/simulator.md.
#ifndef NVML_MIG_SIMULATOR_MACHINE_H
#define NVML_MIG_SIMULATOR_MACHINE_H

#include "abi/nvml_abi.h"
#include "clients.h"
#include "image.h"
#include "image_layout.h"
#include "placement.h"
#include "reason.h"

namespace nvml_mig::simulator {

// One GPU to look at.
struct GpuView {
  const Node& driver;
  const GpuBoard& board;
  const NodeState& node;
  const GpuState& gpu;
  unsigned index;
  unsigned rights;  // of who looks: kRootRight, kConfigRight, kMonitorRight
  // The MIG devices that who looks may see: by GPU-instance id, a bit per compute-instance id. All
  // of them for nullptr.
  const std::uint8_t* visible = nullptr;
};

// One GPU to change.
struct GpuEdit {
  const Node& driver;
  const GpuBoard& board;
  NodeState& node;
  GpuState& gpu;
  unsigned index;
  unsigned rights;  // of who changes it
  const std::uint8_t* visible = nullptr;

  GpuView view() const { return {driver, board, node, gpu, index, rights, visible}; }
};

// What a caller's rights allow. Root may everything; the capability mig/config is for creating and
// destroying, mig/monitor for seeing every instance and what the GPU shows as a whole. That who may
// create may also list is derived: there would be no other way to find what to destroy.
inline bool MayConfigure(unsigned rights) { return (rights & (kRootRight | kConfigRight)) != 0; }
inline bool MayList(unsigned rights) { return rights != 0; }
// Profile information needs no privilege since branch 510.
inline bool MayReadProfiles(const GpuView& at) {
  return MayList(at.rights) || at.driver.driverBranch >= 510;
}

// Whether the release tells profiles and their placements also while MIG is off.
bool ListsProfilesAnyTime(const Node& driver);

// What the profile in a slot is that the release does not know: no argument, or one profile more that
// the board lacks.
nvmlReturn_t PastLastSlot(const Node& driver);

// 0, or the code that every call about the GPU has.
inline nvmlReturn_t HealthOf(const GpuState& gpu) { return static_cast<nvmlReturn_t>(gpu.health); }

// Modes (machine_mode.cc). `watched`: another process has NVML initialised.
nvmlReturn_t GetMigMode(const GpuView& at, unsigned* current, unsigned* pending);
nvmlReturn_t SetMigMode(const GpuEdit& at, unsigned mode, bool watched, nvmlReturn_t* activation);
nvmlReturn_t SetPersistenceMode(const GpuEdit& at, unsigned mode);

// What a client does there: compute, graphics, MPS.
inline constexpr unsigned kClientKinds = 3;
// Who uses a GPU: ids of the instances it runs in, or kSimulatorNone.
struct ClientPlace {
  unsigned gpuInstance;
  unsigned computeInstance;
  unsigned pid;
  unsigned kind;
};

// What happens around the GPUs (machine_world.cc). The sentence is set on every refusal.
nvmlReturn_t ResetGpu(const GpuEdit& at, Reason* reason);
void Reboot(const Image& image, State& state);
nvmlReturn_t ReloadDriver(const Image& image, State& state, Reason* reason);
// Instances know their profiles by their places in the board's list, which another release may have in
// another order (machine_upgrade.cc).
nvmlReturn_t TranslateInstances(const Image& before, const Image& after, State& state,
                                Reason* reason);
// A client that is there already has its memory changed; what is said of its process holds wherever
// that process runs. kNoReading: nobody can tell how much memory it has.
nvmlReturn_t StartClient(const GpuEdit& at, const ClientPlace& place, const ClientProcess& process,
                         std::uint64_t memoryMiB, Reason* reason);
nvmlReturn_t StopClient(const GpuEdit& at, const ClientPlace& place, Reason* reason);
// `number` counts the words of Readings.
nvmlReturn_t SetReading(const GpuEdit& at, unsigned number, std::uint64_t value, Reason* reason);
// NVML_ERROR_NOT_FOUND where the GPU's health is not `standing`; kSimulatorNone: whatever it is.
nvmlReturn_t SetHealth(const GpuEdit& at, unsigned code, unsigned standing, Reason* reason);

// How a node is given what it has from the start (machine_layout.cc): whatever stands against it but
// the geometry. The sentence is set on every refusal. `start` and `id` may be kSimulatorNone.
nvmlReturn_t PlaceMode(const GpuEdit& at, unsigned current, unsigned pending, Reason* reason);
nvmlReturn_t PlaceGpuInstance(const GpuEdit& at, unsigned profile, unsigned start, Reason* reason,
                              unsigned* id);
nvmlReturn_t PlaceComputeInstance(const GpuEdit& at, unsigned gpuInstance, unsigned profile,
                                  unsigned start, Reason* reason, unsigned* id);

// Clients of a GPU, of a GPU instance with everything in it, of a compute instance.
bool HasClients(const NodeState& node, unsigned gpu);
bool HasClients(const NodeState& node, unsigned gpu, const GpuInstance& instance);
bool HasClients(const NodeState& node, unsigned gpu, const GpuInstance& instance,
                const ComputeInstance& compute);

// GPU instances (machine_gpu_instances.cc). A slot is an NVML_GPU_INSTANCE_PROFILE_* constant, an
// id is what the profile's info says.
nvmlReturn_t GpuProfileBySlot(const GpuView& at, unsigned slot, const GpuInstanceProfile** profile);
nvmlReturn_t GpuProfileById(const GpuView& at, unsigned id, const GpuInstanceProfile** profile);
nvmlReturn_t GpuPlacements(const GpuView& at, unsigned id, const GpuInstanceProfile** profile);
nvmlReturn_t GpuInstanceCapacity(const GpuView& at, unsigned id, unsigned* count);
nvmlReturn_t ListGpuInstances(const GpuView& at, unsigned id,
                              const GpuInstance* (&instances)[kMaxGpuInstances], unsigned* count);
nvmlReturn_t GpuInstanceById(const GpuView& at, unsigned id, const GpuInstance** instance);
// Without a wanted placement the driver chooses.
// As CreateGpuInstance, by anyone anywhere; `held`: something uses the GPU as a whole.
nvmlReturn_t PutGpuInstance(const GpuEdit& at, unsigned id, const Placement* wanted, bool held,
                            const GpuInstance** created);
nvmlReturn_t CreateGpuInstance(const GpuEdit& at, unsigned id, const Placement* wanted,
                               const GpuInstance** created);
nvmlReturn_t DestroyGpuInstance(const GpuEdit& at, GpuInstance& instance);

const GpuInstanceProfile& ProfileOf(const GpuBoard& board, const GpuInstance& instance);
const ComputeProfile& ProfileOf(const GpuBoard& board, const GpuInstance& instance,
                                const ComputeInstance& compute);
GpuInstance* FindGpuInstance(GpuState& gpu, unsigned id);
const GpuInstance* FindGpuInstance(const GpuState& gpu, unsigned id);
ComputeInstance* FindComputeInstance(GpuInstance& instance, unsigned id);
const ComputeInstance* FindComputeInstance(const GpuInstance& instance, unsigned id);

// Frees every instance of the GPU: what a reset does to them.
void DropInstances(NodeState& node, GpuState& gpu);
// A stamp that no instance of this node ever had.
std::uint32_t NewStamp(NodeState& node);

// Compute instances of a live GPU instance (machine_compute_instances.cc).
nvmlReturn_t ComputeProfileBySlot(const GpuView& at, const GpuInstance& instance, unsigned slot,
                                  unsigned engineProfile, const ComputeProfile** profile);
nvmlReturn_t ComputePlacements(const GpuView& at, const GpuInstance& instance, unsigned id,
                               const ComputeProfile** profile);
nvmlReturn_t ComputeInstanceCapacity(const GpuView& at, const GpuInstance& instance, unsigned id,
                                     unsigned* count);
nvmlReturn_t ListComputeInstances(const GpuView& at, const GpuInstance& instance, unsigned id,
                                  const ComputeInstance* (&computes)[kMaxComputeInstances],
                                  unsigned* count);
nvmlReturn_t ComputeInstanceById(const GpuView& at, const GpuInstance& instance, unsigned id,
                                 const ComputeInstance** compute);
// As CreateComputeInstance, by anyone; without `number` it gets the lowest free id.
nvmlReturn_t PutComputeInstance(const GpuEdit& at, GpuInstance& instance, unsigned id,
                                const Placement* wanted, const unsigned* number,
                                const ComputeInstance** created);
nvmlReturn_t CreateComputeInstance(const GpuEdit& at, GpuInstance& instance, unsigned id,
                                   const Placement* wanted, const ComputeInstance** created);
nvmlReturn_t DestroyComputeInstance(const GpuEdit& at, GpuInstance& instance,
                                    ComputeInstance& compute);

// MIG devices: one per compute instance (machine_devices.cc).
struct MigDevice {
  const GpuInstance* instance;
  const ComputeInstance* compute;
};
// Whether who looks sees it; those that he does not see have no index for him.
bool IsVisible(const GpuView& at, const MigDevice& device);
// The most that the GPU can have in its present mode.
unsigned MaxMigDevices(const GpuView& at);
nvmlReturn_t MigDeviceAt(const GpuView& at, unsigned index, MigDevice* device);
unsigned MigDeviceIndex(const GpuView& at, const MigDevice& device);
// The 16 bytes that belong to the place a MIG device has.
const std::uint8_t* MigDeviceUuid(const GpuBoard& board, const MigDevice& device);

// Memory of a GPU or of a GPU instance, in MiB; what is used includes what is reserved.
struct MemoryMiB {
  std::uint64_t total;
  std::uint64_t used;
  std::uint64_t reserved;
};
MemoryMiB GpuMemory(const GpuView& at);
MemoryMiB GpuBar1(const GpuView& at);
// What a GPU shows as a whole while it is partitioned needs rights that its instances do not.
bool MayReadWhole(const GpuView& at);
MemoryMiB InstanceMemory(const GpuView& at, const GpuInstance& instance);
MemoryMiB InstanceBar1(const GpuView& at, const GpuInstance& instance);

// Whether a state is one that the rules can have led to; otherwise the sentence says what is wrong
// (machine_check.cc).
[[nodiscard]] bool CheckState(const Image& image, const State& state, Reason* reason);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_MACHINE_H
