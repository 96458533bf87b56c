// What a node has from the start: modes and instances that its host, its owner or an earlier life gave it.
// Neither rights nor clients nor the platform stand against that, but the geometry does.
#include <cstdio>

#include "abi/simulator_control.h"
#include "machine.h"

namespace nvml_mig::simulator {
namespace {

bool HasInstances(const GpuState& gpu) {
  for (const GpuInstance& instance : gpu.gpuInstances) {
    if (instance.stamp != 0) return true;
  }
  return false;
}

// "GPU 0", or "GPU instance 2 of GPU 0": where something is to be put.
struct Where {
  char text[48];
};
Where On(const GpuEdit& at) {
  Where where;
  std::snprintf(where.text, sizeof(where.text), "GPU %u", at.index);
  return where;
}
Where In(const GpuEdit& at, unsigned gpuInstance) {
  Where where;
  std::snprintf(where.text, sizeof(where.text), "GPU instance %u of GPU %u", gpuInstance, at.index);
  return where;
}

// Why a profile was not put where it was to go.
nvmlReturn_t SayNoPlace(nvmlReturn_t code, const Where& where, const char* profile, unsigned start,
                        Reason* reason) {
  if (code == NVML_SUCCESS) return code;
  if (code == NVML_ERROR_INVALID_ARGUMENT) {
    reason->Say("%s has no placement of %s that starts at %u.", where.text, profile, start);
  } else if (start == kSimulatorNone) {
    reason->Say("%s has no room for %s beside what is there.", where.text, profile);
  } else {
    reason->Say("%s has no room for %s at %u beside what is there.", where.text, profile, start);
  }
  return code;
}

}  // namespace

nvmlReturn_t PlaceMode(const GpuEdit& at, unsigned current, unsigned pending, Reason* reason) {
  if (current > NVML_DEVICE_MIG_ENABLE || pending > NVML_DEVICE_MIG_ENABLE) {
    reason->Say("MIG mode is 0 or 1, current and pending; not %u and %u.", current, pending);
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (at.board.profileCount == 0) {
    reason->Say("GPU %u has no MIG.", at.index);
    return NVML_ERROR_NOT_SUPPORTED;
  }
  if (current != pending && at.board.modeNeedsReset == 0) {
    reason->Say("GPU %u changes its MIG mode at once: nothing can be pending there.", at.index);
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (current == NVML_DEVICE_MIG_DISABLE && HasInstances(at.gpu)) {
    reason->Say("GPU %u has instances, and without MIG mode it cannot.", at.index);
    return NVML_ERROR_IN_USE;
  }
  at.gpu.migCurrent = current;
  at.gpu.migPending = pending;
  return NVML_SUCCESS;
}

nvmlReturn_t PlaceGpuInstance(const GpuEdit& at, unsigned profile, unsigned start, Reason* reason,
                              unsigned* id) {
  if (at.gpu.migCurrent == NVML_DEVICE_MIG_DISABLE) {
    reason->Say("GPU %u has MIG off, and without it no instances.", at.index);
    return NVML_ERROR_NOT_SUPPORTED;
  }
  const GpuInstanceProfile* found;
  if (GpuProfileById(at.view(), profile, &found) != NVML_SUCCESS) {
    reason->Say("GPU %u has no GPU instance profile %u.", at.index, profile);
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  const Placement wanted = {start, found->placementSize};
  const GpuInstance* created;
  const nvmlReturn_t code = PutGpuInstance(at, profile, start == kSimulatorNone ? nullptr : &wanted,
                                           false, &created);
  if (code == NVML_SUCCESS) *id = created->id;
  return SayNoPlace(code, On(at), found->name, start, reason);
}

nvmlReturn_t PlaceComputeInstance(const GpuEdit& at, unsigned gpuInstance, unsigned profile,
                                  unsigned start, Reason* reason, unsigned* id) {
  GpuInstance* const instance = FindGpuInstance(at.gpu, gpuInstance);
  if (instance == nullptr) {
    reason->Say("GPU %u has no GPU instance %u.", at.index, gpuInstance);
    return NVML_ERROR_NOT_FOUND;
  }
  const ComputeProfile* found;
  GpuEdit byRoot = at;
  byRoot.rights = kRootRight;
  if (ComputePlacements(byRoot.view(), *instance, profile, &found) != NVML_SUCCESS) {
    reason->Say("GPU instance %u of GPU %u has no compute instance profile %u.", gpuInstance,
                at.index, profile);
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (*id != kSimulatorNone &&
      (*id >= kMaxComputeInstances || FindComputeInstance(*instance, *id) != nullptr)) {
    reason->Say("A compute instance of GPU instance %u cannot have the id %u: ids are below %u, each "
                "given once.", gpuInstance, *id, kMaxComputeInstances);
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  const Placement wanted = {start, found->placementSize};
  const ComputeInstance* created;
  const nvmlReturn_t code =
      PutComputeInstance(at, *instance, profile, start == kSimulatorNone ? nullptr : &wanted,
                         *id == kSimulatorNone ? nullptr : id, &created);
  if (code == NVML_SUCCESS) *id = created->id;
  return SayNoPlace(code, In(at, gpuInstance), found->name, start, reason);
}

}  // namespace nvml_mig::simulator
