#include "convert.h"

#include "nvml/text.h"

namespace nvml_mig {
namespace {

static_assert(nvml::kNone == kNone);
static_assert(nvml::kLibraryNotFound == std::uint32_t(SessionStatus::kLibraryNotFound));
static_assert(nvml::kAmbiguousLibrary == std::uint32_t(SessionStatus::kAmbiguousLibrary));
static_assert(nvml::kNotNvml == std::uint32_t(SessionStatus::kNotNvml));
static_assert(nvml::kInstanceReplaced == std::uint32_t(SessionStatus::kInstanceReplaced));
static_assert(nvml::kPlacementUnavailable == std::uint32_t(SessionStatus::kPlacementUnavailable));
static_assert(nvml::kUndoFailed == std::uint32_t(SessionStatus::kUndoFailed));

std::uint32_t copy_placements(const std::vector<nvml::Placement>& from,
                              Placement (&to)[kMaxPlacements]) {
  std::uint32_t count = 0;
  for (const nvml::Placement& place : from) {
    if (count == kMaxPlacements) break;
    to[count++] = {place.start, place.size};
  }
  return count;
}

// What the two kinds of profile share, member by member under the same names.
template <typename Profile, typename Record>
void copy_profile(const Profile& profile, nvml::Status remaining_status, unsigned remaining,
                  nvml::Status placement_status, const std::vector<nvml::Placement>& placements,
                  Record* record) {
  record->slot = profile.slot;
  record->id = profile.info.id;
  record->sliceCount = profile.info.sliceCount;
  record->instanceCount = profile.info.instanceCount;
  record->multiprocessorCount = profile.info.multiprocessorCount;
  record->capabilities = profile.info.capabilities;
  record->remaining = remaining_status.ok() ? remaining : kNone;
  record->remainingStatus = remaining_status.code;
  record->placementStatus = placement_status.code;
  record->placementCount = copy_placements(placements, record->placements);
  copy_text(nvml::text_of(profile.info.name), record->name);
}

template <typename Value>
void copy_outcome(const nvml::Told<Value>& told, GpuFigure figure, GpuDescription* record) {
  record->outcomes[static_cast<std::uint32_t>(figure)] = to_record(told.status);
}

}  // namespace

Outcome to_record(nvml::Status status) {
  return {status.code, status.ok() ? kNone : status.call};
}

Release to_record(const nvml::Library::Release& release) {
  return {release.unloaded ? 1u : 0u, release.others};
}

SessionInfo to_record(std::uint32_t session, const nvml::Versions& versions,
                      const std::string& library) {
  SessionInfo record{};
  record.session = session;
  record.cudaDriverVersion = versions.cuda_driver;
  record.outcomes[0] = to_record(versions.driver_status);
  record.outcomes[1] = to_record(versions.nvml_status);
  record.outcomes[2] = to_record(versions.cuda_status);
  copy_text(versions.driver, record.driverVersion);
  copy_text(versions.nvml, record.nvmlVersion);
  copy_text(library, record.library);
  return record;
}

GpuDescription to_record(const std::string& uuid, const nvml::Description& description) {
  GpuDescription record{};
  static_assert(sizeof record.outcomes == kGpuFigureCount * sizeof(Outcome));
  copy_outcome(description.name, GpuFigure::kName, &record);
  copy_outcome(description.serial, GpuFigure::kSerial, &record);
  copy_outcome(description.board_part_number, GpuFigure::kBoardPartNumber, &record);
  copy_outcome(description.vbios_version, GpuFigure::kVbiosVersion, &record);
  copy_outcome(description.pci, GpuFigure::kPci, &record);
  copy_outcome(description.compute_capability, GpuFigure::kComputeCapability, &record);
  copy_outcome(description.minor_number, GpuFigure::kMinorNumber, &record);
  copy_outcome(description.brand, GpuFigure::kBrand, &record);
  copy_outcome(description.architecture, GpuFigure::kArchitecture, &record);
  copy_outcome(description.max_mig_devices, GpuFigure::kMaxMigDevices, &record);
  record.pciDeviceId = description.pci.value.device_id;
  record.pciSubSystemId = description.pci.value.subsystem_id;
  record.computeCapabilityMajor = description.compute_capability.value.major;
  record.computeCapabilityMinor = description.compute_capability.value.minor;
  record.minorNumber = description.minor_number.value;
  record.brand = description.brand.value;
  record.architecture = description.architecture.value;
  record.maxMigDevices = description.max_mig_devices.value;
  copy_text(uuid, record.uuid);
  copy_text(description.name.value, record.name);
  copy_text(description.serial.value, record.serial);
  copy_text(description.board_part_number.value, record.boardPartNumber);
  copy_text(description.vbios_version.value, record.vbiosVersion);
  copy_text(description.pci.value.bus_id, record.busId);
  return record;
}

Gpu to_record(unsigned index, const nvml::DeviceIdentity& identity) {
  Gpu record{};
  record.index = index;
  record.status = identity.status.code;
  record.call = identity.status.ok() ? kNone : identity.status.call;
  record.minorNumber = identity.minor_number;
  record.architecture = identity.architecture;
  record.computeCapabilityMajor = identity.compute_capability_major;
  record.computeCapabilityMinor = identity.compute_capability_minor;
  record.pciDeviceId = identity.pci_device_id;
  record.pciSubSystemId = identity.pci_subsystem_id;
  record.migCapable = identity.mig_capable ? 1 : 0;
  record.memoryTotalBytes = identity.memory_total_bytes;
  copy_text(identity.name, record.name);
  copy_text(identity.uuid, record.uuid);
  copy_text(identity.serial, record.serial);
  copy_text(identity.bus_id, record.busId);
  return record;
}

MigMode to_record(const nvml::MigMode& mode, unsigned activation) {
  return {mode.current, mode.pending, activation, 0};
}

GpuInstance to_record(const nvml::GpuInstance& instance) {
  return {instance.id, instance.profile_id, instance.placement.start, instance.placement.size};
}

ComputeInstance to_record(const nvml::ComputeInstance& instance) {
  return {instance.id, instance.profile_id, instance.placement.start, instance.placement.size};
}

MigDevice to_record(unsigned gpu, const nvml::MigDevice& device) {
  MigDevice record{};
  record.gpu = gpu;
  record.index = device.index;
  record.gpuInstanceId = device.gpu_instance.id;
  record.computeInstanceId = device.compute_instance.id;
  record.gpuInstanceProfileId = device.gpu_instance.profile_id;
  record.start = device.gpu_instance.placement.start;
  record.size = device.gpu_instance.placement.size;
  record.computeProfileId = device.compute_instance.profile_id;
  record.computeStart = device.compute_instance.placement.start;
  record.computeSize = device.compute_instance.placement.size;
  record.gpuInstanceSlices = device.attributes.gpuInstanceSliceCount;
  record.computeInstanceSlices = device.attributes.computeInstanceSliceCount;
  record.multiprocessorCount = device.attributes.multiprocessorCount;
  record.sharedCopyEngineCount = device.attributes.sharedCopyEngineCount;
  record.sharedDecoderCount = device.attributes.sharedDecoderCount;
  record.sharedEncoderCount = device.attributes.sharedEncoderCount;
  record.sharedJpegCount = device.attributes.sharedJpegCount;
  record.sharedOfaCount = device.attributes.sharedOfaCount;
  record.memoryMiB =
      device.memory.status.ok() ? device.memory.value.total >> 20 : device.attributes.memorySizeMB;
  record.outcomes[0] = to_record(device.attributes_status);
  record.outcomes[1] = to_record(device.name.status);
  copy_text(device.uuid, record.uuid);
  copy_text(device.name.value, record.name);
  return record;
}

Memory to_record(const nvml::Told<nvml::Memory>& memory,
                 const nvml::Told<nvmlBAR1Memory_t>& bar1) {
  const auto& [total, free, used, reserved] = memory.value;
  return {total,
          free,
          used,
          reserved.value,
          bar1.value.bar1Total,
          bar1.value.bar1Free,
          bar1.value.bar1Used,
          {to_record(memory.status), to_record(reserved.status), to_record(bar1.status)}};
}

Figure to_record(const nvml::Told<unsigned long long>& figure) {
  return {figure.value, {to_record(figure.status)}};
}

Process to_record(const nvml::Process& process) {
  Process record{};
  record.memoryBytes = process.memory_bytes;
  record.pid = process.pid;
  record.gpuInstanceId = process.gpu_instance_id;
  record.computeInstanceId = process.compute_instance_id;
  record.nameOutcome[0] = to_record(process.name.status);
  copy_text(process.name.value, record.name);
  return record;
}

PlacementList to_record(const nvml::PlacementList& placements) {
  PlacementList record{};
  record.possibleCount = copy_placements(placements.possible, record.possible);
  record.freeCount = copy_placements(placements.free, record.free);
  return record;
}

GpuInstanceProfile to_record(const nvml::GpuInstanceProfile& profile, nvml::Status remaining_status,
                             unsigned remaining, nvml::Status placement_status,
                             const std::vector<nvml::Placement>& placements) {
  GpuInstanceProfile record{};
  copy_profile(profile, remaining_status, remaining, placement_status, placements, &record);
  record.copyEngineCount = profile.info.copyEngineCount;
  record.decoderCount = profile.info.decoderCount;
  record.encoderCount = profile.info.encoderCount;
  record.jpegCount = profile.info.jpegCount;
  record.ofaCount = profile.info.ofaCount;
  record.isP2pSupported = profile.is_p2p_supported;
  record.memorySizeMiB = profile.info.memorySizeMB;
  return record;
}

ComputeInstanceProfile to_record(const nvml::ComputeInstanceProfile& profile,
                                 nvml::Status remaining_status, unsigned remaining,
                                 nvml::Status placement_status,
                                 const std::vector<nvml::Placement>& placements) {
  ComputeInstanceProfile record{};
  copy_profile(profile, remaining_status, remaining, placement_status, placements, &record);
  record.sharedCopyEngineCount = profile.info.sharedCopyEngineCount;
  record.sharedDecoderCount = profile.info.sharedDecoderCount;
  record.sharedEncoderCount = profile.info.sharedEncoderCount;
  record.sharedJpegCount = profile.info.sharedJpegCount;
  record.sharedOfaCount = profile.info.sharedOfaCount;
  return record;
}

}  // namespace nvml_mig
