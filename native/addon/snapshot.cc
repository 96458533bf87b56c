#include "snapshot.h"

#include <algorithm>
#include <array>

#include "convert.h"
#include "nvml/readings.h"

namespace nvml_mig {
namespace {

using nvml::Status;

static_assert(nvml::kReadingCount == kGpuReadingCount);

constexpr auto as_it_is = [](const auto& record) { return record; };
constexpr auto as_record = [](const auto& item) { return to_record(item); };

// One GPU, from first to last. What others change between two calls may be in the later answer alone.
class GpuSnapshot {
 public:
  GpuSnapshot(const nvml::Library& nvml, nvmlDevice_t gpu, std::uint32_t parts, Result* result)
      : nvml_(nvml), gpu_(gpu), parts_(parts), result_(result) {}

  // The status by which a handle is known to be dead.
  Status add(const std::string& uuid) {
    add_one(SectionKind::kDescription, kNone, to_record(uuid, nvml::describe_gpu(nvml_, gpu_)));
    nvml::Told<nvml::Memory> memory;
    memory.status = nvml::read_memory(nvml_, gpu_, &memory.value);
    add_one(SectionKind::kMemory, kNone, to_record(memory, nvml::read_bar1(nvml_, gpu_)));
    nvml::MigMode mode;
    const Status status = nvml::read_mig_mode(nvml_, gpu_, &mode);
    add_list(SectionKind::kMigMode, kNone, status, std::vector{to_record(mode, NVML_SUCCESS)},
             as_it_is);
    if (wants(SnapshotPart::kReadings)) {
      add_list(SectionKind::kReadings, kNone, {}, nvml::read_readings(nvml_, gpu_), as_record);
    }
    // Where the mode could not be read, what is there tells it.
    const bool off = status.ok() && mode.current == NVML_DEVICE_MIG_DISABLE;
    const bool on = status.ok() && !off;
    if (wants(SnapshotPart::kProfiles) || wants(SnapshotPart::kInstances)) add_profiles(off);
    if (wants(SnapshotPart::kProcesses) && !on) add_processes(gpu_, kNone, kNone, kNone);
    if (off) return status;
    if (wants(SnapshotPart::kProcesses) || wants(SnapshotPart::kInstances)) add_mig_devices();
    return status;
  }

 private:
  bool wants(SnapshotPart part) const {
    return (parts_ >> static_cast<std::uint32_t>(part) & 1) != 0;
  }

  // What could not be read to its end says nothing.
  template <typename Records, typename Convert>
  void add_list(SectionKind kind, std::uint32_t of, Status status, const Records& records,
                const Convert& convert) {
    result_->add_section(kind, of, status, status.ok() ? records : Records{}, convert);
  }
  template <typename Record>
  void add_one(SectionKind kind, std::uint32_t of, const Record& record) {
    result_->add_section(kind, of, {}, std::array{record}, as_it_is);
  }

  // Profiles and instances belong together: an instance is of a profile, and what a profile offers
  // only its live instances tell.
  void add_profiles(bool off) {
    std::vector<nvml::GpuInstanceProfile> profiles;
    const Status listed = nvml::list_gpu_instance_profiles(nvml_, gpu_, &profiles);
    add_list(SectionKind::kProfiles, kNone, listed, profiles,
             [&](const nvml::GpuInstanceProfile& profile) { return profile_record(profile); });
    if (off) return;
    std::vector<nvml::GpuInstance> instances;
    const Status status =
        listed.ok() ? nvml::list_gpu_instances(nvml_, gpu_, profiles, &instances) : listed;
    add_list(SectionKind::kGpuInstances, kNone, status, instances, as_record);
    if (!status.ok()) return;
    for (const nvml::GpuInstanceProfile& profile : profiles) {
      std::vector<nvml::GpuInstance> live;
      std::copy_if(instances.begin(), instances.end(), std::back_inserter(live),
                   [&](const auto& instance) { return instance.profile_id == profile.info.id; });
      if (!live.empty()) add_live(profile.info.id, live);
    }
  }

  // What the GPU instances of one profile offer, as the first of them that is still there says, and
  // what each holds.
  void add_live(unsigned profile_id, const std::vector<nvml::GpuInstance>& live) {
    std::vector<nvml::ComputeInstanceProfile> offered;
    Status told;
    for (const nvml::GpuInstance& instance : live) {
      offered.clear();
      told = nvml::list_compute_instance_profiles(nvml_, instance.handle, &offered);
      if (told.code == NVML_ERROR_NOT_FOUND) continue;
      add_list(SectionKind::kComputeProfiles, profile_id, told, offered,
               [&](const nvml::ComputeInstanceProfile& profile) {
                 return profile_record(instance.handle, profile);
               });
      break;
    }
    if (!wants(SnapshotPart::kInstances)) return;
    for (const nvml::GpuInstance& instance : live) {
      std::vector<nvml::ComputeInstance> held;
      const Status status =
          told.ok() ? nvml::list_compute_instances(nvml_, instance.handle, offered, &held) : told;
      add_list(SectionKind::kComputeInstances, instance.id, status, held, as_record);
    }
  }

  GpuInstanceProfile profile_record(const nvml::GpuInstanceProfile& profile) {
    unsigned remaining = kNone;
    std::vector<nvml::Placement> possible;
    if (!wants(SnapshotPart::kProfiles)) return to_record(profile, {}, remaining, {}, possible);
    const unsigned id = profile.info.id;
    const Status capacity = nvml::remaining_gpu_instances(nvml_, gpu_, id, &remaining);
    const Status places = nvml::possible_gpu_instance_placements(nvml_, gpu_, id, &possible);
    return to_record(profile, capacity, remaining, places, possible);
  }

  // How many more fit is a matter of each GPU instance, and is not asked.
  ComputeInstanceProfile profile_record(nvmlGpuInstance_t owner,
                                        const nvml::ComputeInstanceProfile& profile) {
    std::vector<nvml::Placement> possible;
    if (!wants(SnapshotPart::kProfiles)) return to_record(profile, {}, kNone, {}, possible);
    const Status places = nvml::possible_compute_instance_placements(
        nvml_, owner, profile.info.id, &possible);
    return to_record(profile, {}, kNone, places, possible);
  }

  void add_mig_devices() {
    std::vector<nvml::MigDevice> devices;
    const Status status = nvml::list_mig_devices(nvml_, gpu_, &devices);
    add_list(SectionKind::kMigDevices, kNone, status, devices,
             [](const nvml::MigDevice& device) { return to_record(kNone, device); });
    if (!status.ok()) return;
    for (const nvml::MigDevice& device : devices) {
      if (wants(SnapshotPart::kInstances)) {
        const auto bar1 = nvml::read_bar1(nvml_, device.handle);
        add_one(SectionKind::kMemory, device.index, to_record(device.memory, bar1));
      }
      if (wants(SnapshotPart::kProcesses)) {
        add_processes(device.handle, device.index, device.gpu_instance.id,
                      device.compute_instance.id);
      }
    }
  }

  // The processes of one instance, by its ids, or those of the GPU that are of none. A row without ids
  // belongs to what was asked.
  void add_processes(nvmlDevice_t device, std::uint32_t of, unsigned gpu_instance,
                     unsigned compute_instance) {
    const auto add = [&](SectionKind section, nvml::ProcessKind kind) {
      std::vector<nvml::Process> processes;
      const Status status = nvml::list_processes(nvml_, device, kind, &processes);
      std::erase_if(processes, [&](nvml::Process& process) {
        if (process.gpu_instance_id == kNone) process.gpu_instance_id = gpu_instance;
        if (process.compute_instance_id == kNone) process.compute_instance_id = compute_instance;
        return process.gpu_instance_id != gpu_instance ||
               process.compute_instance_id != compute_instance;
      });
      add_list(section, of, status, processes, as_record);
    };
    add(SectionKind::kComputeProcesses, nvml::ProcessKind::kCompute);
    add(SectionKind::kGraphicsProcesses, nvml::ProcessKind::kGraphics);
    add(SectionKind::kMpsProcesses, nvml::ProcessKind::kMps);
  }

  const nvml::Library& nvml_;
  const nvmlDevice_t gpu_;
  const std::uint32_t parts_;
  Result* const result_;
};

}  // namespace

void add_snapshot(const nvml::Library& nvml, nvml::Devices& devices, std::uint32_t parts,
                  Result* result) {
  for (unsigned index = 0; index < devices.count(); index++) {
    nvmlDevice_t gpu = nullptr;
    const Status opened = devices.handle(index, &gpu);
    result->add_section(SectionKind::kGpu, index, opened, std::array<GpuInstance, 0>{}, as_it_is);
    if (!opened.ok()) continue;
    const Status status = GpuSnapshot(nvml, gpu, parts, result).add(devices.uuid(index));
    if (status.doubts_handle()) devices.drop_handle(index);
  }
}

}  // namespace nvml_mig
