// The imaginary GPU of the fixture library: its profiles, its instances and the little it knows of
// their rules. Handles are the addresses of these structs.
#ifndef NVML_MIG_TEST_FIXTURE_GPU_H
#define NVML_MIG_TEST_FIXTURE_GPU_H

#include <cstdio>
#include <cstring>

#include "abi/nvml_abi.h"

namespace {

constexpr char kGpuUuid[] = "GPU-00000000-0000-4000-8000-000000000001";

struct Profile {
  unsigned slot, id, slices, instances, size;  // size: memory slices, or compute slots
};
// The last one is of years to come: a library has it that knows so many slots.
constexpr Profile kGpuInstanceProfiles[] = {
    {0, 19, 1, 7, 1}, {4, 0, 7, 1, 8}, {7, 20, 1, 1, 1}, {100, 101, 2, 3, 2}};
// Slot 4 is listed but refused, as happens on real boards where slot 8 is the one to use.
constexpr Profile kComputeProfiles[] = {{0, 0, 1, 7, 1}, {4, 4, 7, 1, 7}, {8, 8, 7, 1, 7}};

struct ComputeInstance {
  bool live;
  unsigned id, start;
  const Profile* profile;
};
struct GpuInstance {
  bool live;
  unsigned id, start;
  const Profile* profile;
  ComputeInstance compute[7];
};
struct Gpu {
  unsigned current, pending;
  GpuInstance instances[7];
} gpu;

GpuInstance* of(nvmlGpuInstance_t handle) { return reinterpret_cast<GpuInstance*>(handle); }
ComputeInstance* of(nvmlComputeInstance_t handle) {
  return reinterpret_cast<ComputeInstance*>(handle);
}

bool is_mig(nvmlDevice_t device) { return reinterpret_cast<Gpu*>(device) != &gpu; }
ComputeInstance* compute_of(nvmlDevice_t device) {
  return reinterpret_cast<ComputeInstance*>(device);
}
GpuInstance* owner_of(const ComputeInstance* compute) {
  for (auto& instance : gpu.instances) {
    if (compute >= instance.compute && compute < instance.compute + 7) return &instance;
  }
  return nullptr;
}

// Every compute slot of the GPU has an index of its own, so most indices are holes.
unsigned index_of(const ComputeInstance* compute) {
  return static_cast<unsigned>(owner_of(compute) - gpu.instances) * 7 + compute->id;
}

template <unsigned count>
const Profile* by_slot(const Profile (&profiles)[count], unsigned slot) {
  for (const auto& profile : profiles) {
    if (profile.slot == slot) return &profile;
  }
  return nullptr;
}
template <unsigned count>
const Profile* by_id(const Profile (&profiles)[count], unsigned id) {
  for (const auto& profile : profiles) {
    if (profile.id == id) return &profile;
  }
  return nullptr;
}

nvmlReturn_t text(const char* from, char* to, unsigned length) {
  return std::snprintf(to, length, "%s", from) < static_cast<int>(length)
             ? NVML_SUCCESS
             : NVML_ERROR_INSUFFICIENT_SIZE;
}

template <typename Info>
void fill_common(const Profile& profile, Info* info) {
  info->id = profile.id;
  info->sliceCount = profile.slices;
  info->instanceCount = profile.instances;
  info->multiprocessorCount = 10 * profile.slices;
}

bool taken(const GpuInstance* instances, unsigned start, unsigned size) {
  for (unsigned i = 0; i < 7; i++) {
    const auto& other = instances[i];
    if (other.live && start < other.start + other.profile->size && other.start < start + size) {
      return true;
    }
  }
  return false;
}

unsigned remaining(const Profile& profile) {
  if (gpu.current == 0) return 0;
  if (profile.slot == 7) {  // one of its kind on the whole GPU
    for (const auto& instance : gpu.instances) {
      if (instance.live && instance.profile == &profile) return 0;
    }
  }
  unsigned count = 0;
  for (unsigned start = 0; start < profile.instances; start++) {
    if (!taken(gpu.instances, start, profile.size)) count++;
  }
  return profile.slot == 7 && count > 1 ? 1 : count;
}

nvmlReturn_t possible(unsigned id, nvmlGpuInstancePlacement_t* rows, unsigned* count) {
  const Profile* profile = by_id(kGpuInstanceProfiles, id);
  if (profile == nullptr) return NVML_ERROR_NOT_SUPPORTED;
  *count = profile->size == 8 ? 1 : 7;
  for (unsigned i = 0; rows != nullptr && i < *count; i++) rows[i] = {i, profile->size};
  return NVML_SUCCESS;
}

nvmlReturn_t create(unsigned id, unsigned start, nvmlGpuInstance_t* handle) {
  const Profile* profile = by_id(kGpuInstanceProfiles, id);
  if (profile == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (gpu.current == 0) return NVML_ERROR_NOT_SUPPORTED;
  if (remaining(*profile) == 0) return NVML_ERROR_INSUFFICIENT_RESOURCES;
  if (start == ~0u) {
    for (start = 0; taken(gpu.instances, start, profile->size);) start++;
  }
  if (taken(gpu.instances, start, profile->size)) return NVML_ERROR_INSUFFICIENT_RESOURCES;
  GpuInstance& instance = gpu.instances[start];
  instance = {true, start + (profile->size == 8 ? 0 : 1), start, profile, {}};
  *handle = reinterpret_cast<nvmlGpuInstance_t>(&instance);
  return NVML_SUCCESS;
}

}  // namespace

#endif  // NVML_MIG_TEST_FIXTURE_GPU_H
