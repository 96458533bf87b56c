// What exported functions have in common: refusing before init, finding out what a handle stands for,
// giving back text.
#ifndef NVML_MIG_SIMULATOR_CALLS_H
#define NVML_MIG_SIMULATOR_CALLS_H

#include "exported.h"
#include "handles.h"
#include "library.h"
#include "machine.h"

// First line of what is played as an exported function: from here on `image` is the node's, and the
// library is initialised for the driver that is loaded.
#define NVML_MIG_ENTER()                                                                       \
  [[maybe_unused]] ::nvml_mig::simulator::Image* const image =                                 \
      ::nvml_mig::simulator::InitialisedImage();                                               \
  if (const nvmlReturn_t code = ::nvml_mig::simulator::Enter(image); code != NVML_SUCCESS) return code

namespace nvml_mig::simulator {

// What a handle stands for, as it is at one moment: a GPU, and the instances in it if the handle
// names any.
struct Subject {
  Subject() = default;
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  Handle handle;
  const Node* driver;
  const GpuBoard* board;
  NodeState node;
  GpuState gpu;
  const GpuInstance* instance = nullptr;
  const ComputeInstance* compute = nullptr;
  // Where `instance` points when what the handle names is gone and the node speaks the dialect in
  // which that still answers.
  GpuInstance past;

  GpuView view() const {
    return {*driver,    *board,     node,
            gpu,        handle.gpu, CallerRights(node),
            VisibleDevices(CallersView(), handle.gpu)};
  }
  MigDevice mig() const { return {instance, compute}; }
};

// NVML_ERROR_INVALID_ARGUMENT for what is no handle of that kind, or one whose instance is gone; of a
// GPU that is lost or wants a reset its health.
nvmlReturn_t ResolveDevice(const Image& image, nvmlDevice_t device, Subject* subject);
nvmlReturn_t ResolveGpu(const Image& image, nvmlDevice_t device, Subject* subject);
nvmlReturn_t Resolve(const Image& image, nvmlGpuInstance_t instance, Subject* subject);
nvmlReturn_t Resolve(const Image& image, nvmlComputeInstance_t compute, Subject* subject);
// As ResolveDevice, but NVML_ERROR_NOT_SUPPORTED for the other kind of device.
nvmlReturn_t ResolveMigDevice(const Image& image, nvmlDevice_t device, Subject* subject);
nvmlReturn_t ResolveGpuOnly(const Image& image, nvmlDevice_t device, Subject* subject);

// The MIG device that a GPU has at an index, and the index that a MIG device has, for this process.
nvmlReturn_t FindMigDevice(Subject* gpu, unsigned index, MigDevice* device);
unsigned IndexOf(const Subject& device);

// The GPU that a handle names, to be changed. On one that is hidden from him, nobody has rights.
inline GpuEdit Edit(const Image& image, State& state, const Handle& handle) {
  const View* const view = CallersView();
  return {image.node(),
          image.boards()[handle.gpu],
          state.node,
          state.gpus[handle.gpu],
          handle.gpu,
          IsHidden(SightOf(view, handle.gpu)) ? 0 : CallerRights(state.node),
          VisibleDevices(view, handle.gpu)};
}
// The live instances that a handle names in such a state; false when they are gone.
struct Target {
  GpuInstance* instance = nullptr;
  ComputeInstance* compute = nullptr;
};
bool FindTarget(GpuState& gpu, const Handle& handle, Target* target);

// rules(const GpuEdit&, Target&) as one change of the GPU that a handle names, with the live instances
// that it names. NVML_ERROR_INVALID_ARGUMENT where those are gone, and what the GPU's health says.
template <class Rules>
nvmlReturn_t ChangeGpu(Image& image, const Handle& handle, Rules rules) {
  Reason reason;
  return ChangeNode(image, &reason, [&](State& state, Outbox&, Reason*) -> nvmlReturn_t {
    GpuState& gpu = state.gpus[handle.gpu];
    if (gpu.health != 0) return HealthOf(gpu);
    Target target;
    if (!FindTarget(gpu, handle, &target)) return NVML_ERROR_INVALID_ARGUMENT;
    return rules(Edit(image, state, handle), target);
  });
}

nvmlDevice_t GpuHandle(const Image& image, unsigned gpu);
nvmlDevice_t MigHandle(const Image& image, unsigned gpu, const MigDevice& device);
nvmlGpuInstance_t InstanceHandle(const Image& image, unsigned gpu, const GpuInstance& instance);
nvmlComputeInstance_t ComputeHandle(const Image& image, unsigned gpu, const GpuInstance& instance,
                                    const ComputeInstance& compute);

// Copies a text to a caller's buffer, or says why it cannot.
nvmlReturn_t GiveText(char* out, unsigned length, const char* text);

// The code for a versioned struct whose first word is not one that this driver knows.
nvmlReturn_t VersionMismatch(const Node& driver);

inline constexpr std::uint64_t kMiB = 1024 * 1024;

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_CALLS_H
