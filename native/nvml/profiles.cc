#include "profiles.h"

#include <cstring>

#include "gpu_instances.h"

namespace nvml {
namespace {

// The members that every form of a profile has, under the same names.
template <typename Older, typename Newest>
void copy_common(const Older& from, Newest* to) {
  to->id = from.id;
  to->sliceCount = from.sliceCount;
  to->instanceCount = from.instanceCount;
  to->multiprocessorCount = from.multiprocessorCount;
}

template <typename Older>
void copy_gpu_instance_profile(const Older& from, GpuInstanceProfile* to) {
  copy_common(from, &to->info);
  to->is_p2p_supported = from.isP2pSupported;
  to->info.copyEngineCount = from.copyEngineCount;
  to->info.decoderCount = from.decoderCount;
  to->info.encoderCount = from.encoderCount;
  to->info.jpegCount = from.jpegCount;
  to->info.ofaCount = from.ofaCount;
  to->info.memorySizeMB = from.memorySizeMB;
  to->info.capabilities = kNone;
}

template <typename Older>
void copy_compute_instance_profile(const Older& from, ComputeInstanceProfile* to) {
  copy_common(from, &to->info);
  to->info.sharedCopyEngineCount = from.sharedCopyEngineCount;
  to->info.sharedDecoderCount = from.sharedDecoderCount;
  to->info.sharedEncoderCount = from.sharedEncoderCount;
  to->info.sharedJpegCount = from.sharedJpegCount;
  to->info.sharedOfaCount = from.sharedOfaCount;
  to->info.capabilities = kNone;
}

template <typename Row>
std::vector<Placement> placements_of(const std::vector<Row>& rows, unsigned count) {
  std::vector<Placement> placements;
  for (unsigned i = 0; i < count && i < rows.size(); i++) {
    placements.push_back({rows[i].start, rows[i].size});
  }
  return placements;
}

// Asks for the number of placements, then for the placements.
template <typename Row, typename Call>
Status counted_placements(Call call, std::vector<Placement>* placements) {
  unsigned count = 0;
  Status status = call(nullptr, &count);
  if (!status.ok()) return status;
  std::vector<Row> rows(count + 1);
  status = call(rows.data(), &count);
  if (status.ok()) *placements = placements_of(rows, count);
  return status;
}

}  // namespace

Status read_gpu_instance_profile(const Library& nvml, nvmlDevice_t device, unsigned slot,
                                 GpuInstanceProfile* profile) {
  profile->slot = slot;
  profile->info = {};
  profile->info.version = nvmlGpuInstanceProfileInfo_v3;
  // The one entry point takes both layouts; its prototype names the older.
  Status status = nvml.nvmlDeviceGetGpuInstanceProfileInfoV(
      device, slot, reinterpret_cast<nvmlGpuInstanceProfileInfo_v2_t*>(&profile->info));
  if (status.ok()) {
    profile->is_p2p_supported =
        (profile->info.capabilities & NVML_GPU_INSTANCE_PROFILE_CAPS_P2P) != 0 ? 1 : 0;
  }
  if (!status.wants_older_form()) return status;

  profile->info = {};
  nvmlGpuInstanceProfileInfo_v2_t v2{};
  v2.version = nvmlGpuInstanceProfileInfo_v2;
  status = nvml.nvmlDeviceGetGpuInstanceProfileInfoV(device, slot, &v2);
  if (status.ok()) {
    copy_gpu_instance_profile(v2, profile);
    std::memcpy(profile->info.name, v2.name, sizeof v2.name);
  }
  if (!status.wants_older_form()) return status;

  nvmlGpuInstanceProfileInfo_t v1{};
  status = nvml.nvmlDeviceGetGpuInstanceProfileInfo(device, slot, &v1);
  if (status.ok()) copy_gpu_instance_profile(v1, profile);
  return status;
}

Status list_gpu_instance_profiles(const Library& nvml, nvmlDevice_t device,
                                  std::vector<GpuInstanceProfile>* profiles) {
  return read_profile_slots(profiles, [&](unsigned slot, GpuInstanceProfile* profile) {
    return read_gpu_instance_profile(nvml, device, slot, profile);
  });
}

Status read_compute_instance_profile(const Library& nvml, nvmlGpuInstance_t instance, unsigned slot,
                                     ComputeInstanceProfile* profile) {
  constexpr unsigned engines = NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED;
  profile->slot = slot;
  profile->info = {};
  profile->info.version = nvmlComputeInstanceProfileInfo_v3;
  Status status = nvml.nvmlGpuInstanceGetComputeInstanceProfileInfoV(
      instance, slot, engines,
      reinterpret_cast<nvmlComputeInstanceProfileInfo_v2_t*>(&profile->info));
  if (!status.wants_older_form()) return status;

  profile->info = {};
  nvmlComputeInstanceProfileInfo_v2_t v2{};
  v2.version = nvmlComputeInstanceProfileInfo_v2;
  status = nvml.nvmlGpuInstanceGetComputeInstanceProfileInfoV(instance, slot, engines, &v2);
  if (status.ok()) {
    copy_compute_instance_profile(v2, profile);
    std::memcpy(profile->info.name, v2.name, sizeof v2.name);
  }
  if (!status.wants_older_form()) return status;

  nvmlComputeInstanceProfileInfo_t v1{};
  status = nvml.nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, slot, engines, &v1);
  if (status.ok()) copy_compute_instance_profile(v1, profile);
  return status;
}

Status list_compute_instance_profiles(const Library& nvml, nvmlGpuInstance_t instance,
                                      std::vector<ComputeInstanceProfile>* profiles) {
  const Status status =
      read_profile_slots(profiles, [&](unsigned slot, ComputeInstanceProfile* profile) {
        return read_compute_instance_profile(nvml, instance, slot, profile);
      });
  // A handle that died between two slots looks like the end of the list.
  return unless_gone(nvml, instance, status);
}

Status possible_gpu_instance_placements(const Library& nvml, nvmlDevice_t device,
                                        unsigned profile_id, std::vector<Placement>* placements) {
  using Row = nvmlGpuInstancePlacement_t;
  Status status = counted_placements<Row>(
      [&](Row* rows, unsigned* count) {
        return nvml.nvmlDeviceGetGpuInstancePossiblePlacements_v2(device, profile_id, rows, count);
      },
      placements);
  if (!status.wants_older_form()) return status;

  // The older form cannot be asked for the number first; no board has nearly as many.
  std::vector<Row> rows(64);
  unsigned count = static_cast<unsigned>(rows.size());
  status = nvml.nvmlDeviceGetGpuInstancePossiblePlacements(device, profile_id, rows.data(), &count);
  if (status.ok()) *placements = placements_of(rows, count);
  return status;
}

Status possible_compute_instance_placements(const Library& nvml, nvmlGpuInstance_t instance,
                                            unsigned profile_id,
                                            std::vector<Placement>* placements) {
  using Row = nvmlComputeInstancePlacement_t;
  return counted_placements<Row>(
      [&](Row* rows, unsigned* count) {
        return nvml.nvmlGpuInstanceGetComputeInstancePossiblePlacements(instance, profile_id, rows,
                                                                        count);
      },
      placements);
}

Status remaining_gpu_instances(const Library& nvml, nvmlDevice_t device, unsigned profile_id,
                               unsigned* remaining) {
  return nvml.nvmlDeviceGetGpuInstanceRemainingCapacity(device, profile_id, remaining);
}

Status remaining_compute_instances(const Library& nvml, nvmlGpuInstance_t instance,
                                   unsigned profile_id, unsigned* remaining) {
  return nvml.nvmlGpuInstanceGetComputeInstanceRemainingCapacity(instance, profile_id, remaining);
}

}  // namespace nvml
