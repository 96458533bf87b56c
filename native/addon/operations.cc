#include "operations.h"

#include "convert.h"
#include "nvml/text.h"
#include "snapshot.h"

namespace nvml_mig {
namespace {

using nvml::Status;

struct Call {
  const nvml::Library& nvml;
  nvml::Devices& devices;
  const Arguments& arguments;
  const std::string& text;
  nvmlDevice_t gpu;  // of the first argument; null for an operation without arguments

  std::uint32_t operator[](unsigned index) const { return arguments[index]; }
  const std::string& gpu_uuid() const { return devices.uuid(arguments[0]); }

  nvml::Placement placement_at(unsigned index) const {
    return {arguments[index], arguments[index + 1]};
  }
  // An instance as last seen: id, profile id, start, size.
  nvml::Expected expected_at(unsigned index) const {
    return {arguments[index], arguments[index + 1], placement_at(index + 2)};
  }
};

constexpr unsigned kGpuInstance = 1;      // where gi… starts among the arguments
constexpr unsigned kComputeInstance = 5;  // where ci… starts

// The handle of the GPU instance that an operation names, once it is known to be the same one.
Status open_gpu_instance(const Call& call, nvmlGpuInstance_t* handle) {
  nvml::GpuInstance found;
  return nvml::find_gpu_instance(call.nvml, call.gpu, call.expected_at(kGpuInstance), handle,
                                 &found);
}

Status noop(Call&, Result*) { return {}; }

Status mig_mode(Call& call, Result* result) {
  nvml::MigMode mode;
  const Status status = nvml::read_mig_mode(call.nvml, call.gpu, &mode);
  if (status.ok()) result->add(to_record(mode, NVML_SUCCESS));
  return status;
}

Status set_mig_mode(Call& call, Result* result) {
  unsigned activation = NVML_SUCCESS;
  Status status = nvml::set_mig_mode(call.nvml, call.gpu, call[1] != 0, &activation);
  call.devices.drop_handle(call[0]);
  if (!status.ok()) return status;
  status = call.devices.handle(call[0], &call.gpu);
  if (!status.ok()) return status;
  nvml::MigMode mode;
  status = nvml::read_mig_mode(call.nvml, call.gpu, &mode);
  if (status.ok()) result->add(to_record(mode, activation));
  return status;
}

Status gpu_instance_profiles(Call& call, Result* result) {
  std::vector<nvml::GpuInstanceProfile> profiles;
  const Status status = nvml::list_gpu_instance_profiles(call.nvml, call.gpu, &profiles);
  if (!status.ok()) return status;
  for (const nvml::GpuInstanceProfile& profile : profiles) {
    unsigned remaining = 0;
    const Status capacity =
        nvml::remaining_gpu_instances(call.nvml, call.gpu, profile.info.id, &remaining);
    std::vector<nvml::Placement> possible;
    const Status places =
        nvml::possible_gpu_instance_placements(call.nvml, call.gpu, profile.info.id, &possible);
    result->add(to_record(profile, capacity, remaining, places, possible));
  }
  return status;
}

Status gpu_instance_placements(Call& call, Result* result) {
  nvml::PlacementList placements;
  const Status status = nvml::gpu_instance_placements(call.nvml, call.gpu, call[1], &placements);
  if (status.ok()) result->add(to_record(placements));
  return status;
}

Status gpu_instances(Call& call, Result* result) {
  std::vector<nvml::GpuInstance> instances;
  const Status status = nvml::list_gpu_instances(call.nvml, call.gpu, &instances);
  for (const nvml::GpuInstance& instance : instances) result->add(to_record(instance));
  return status;
}

Status create_gpu_instance(Call& call, Result* result) {
  nvmlGpuInstance_t handle = nullptr;
  nvml::GpuInstance instance;
  const Status status = nvml::create_gpu_instance(call.nvml, call.gpu, call[1],
                                                  call.placement_at(2), &handle, &instance);
  if (status.ok()) result->add(to_record(instance));
  return status;
}

Status destroy_gpu_instance(Call& call, Result*) {
  const bool force = call[kGpuInstance + 4] != 0;
  return nvml::destroy_gpu_instance(call.nvml, call.gpu, call.expected_at(kGpuInstance), force);
}

Status compute_instance_profiles(Call& call, Result* result) {
  nvmlGpuInstance_t owner = nullptr;
  Status status = open_gpu_instance(call, &owner);
  if (!status.ok()) return status;
  std::vector<nvml::ComputeInstanceProfile> profiles;
  status = nvml::list_compute_instance_profiles(call.nvml, owner, &profiles);
  if (!status.ok()) return status;
  for (const nvml::ComputeInstanceProfile& profile : profiles) {
    unsigned remaining = 0;
    const Status capacity =
        nvml::remaining_compute_instances(call.nvml, owner, profile.info.id, &remaining);
    std::vector<nvml::Placement> possible;
    const Status places =
        nvml::possible_compute_instance_placements(call.nvml, owner, profile.info.id, &possible);
    result->add(to_record(profile, capacity, remaining, places, possible));
  }
  return status;
}

Status compute_instance_placements(Call& call, Result* result) {
  nvmlGpuInstance_t owner = nullptr;
  Status status = open_gpu_instance(call, &owner);
  if (!status.ok()) return status;
  nvml::PlacementList placements;
  status = nvml::compute_instance_placements(call.nvml, owner, call[5], &placements);
  if (status.ok()) result->add(to_record(placements));
  return status;
}

Status compute_instances(Call& call, Result* result) {
  nvmlGpuInstance_t owner = nullptr;
  Status status = open_gpu_instance(call, &owner);
  if (!status.ok()) return status;
  std::vector<nvml::ComputeInstance> instances;
  status = nvml::list_compute_instances(call.nvml, owner, &instances);
  for (const nvml::ComputeInstance& instance : instances) result->add(to_record(instance));
  return status;
}

Status create_compute_instance(Call& call, Result* result) {
  nvmlGpuInstance_t owner = nullptr;
  Status status = open_gpu_instance(call, &owner);
  if (!status.ok()) return status;
  nvmlComputeInstance_t handle = nullptr;
  nvml::ComputeInstance instance;
  status = nvml::create_compute_instance(call.nvml, owner, call[5], call.placement_at(6), &handle,
                                         &instance);
  if (status.ok()) result->add(to_record(instance));
  return status;
}

Status destroy_compute_instance(Call& call, Result*) {
  nvmlGpuInstance_t owner = nullptr;
  Status status = open_gpu_instance(call, &owner);
  if (!status.ok()) return status;
  return nvml::destroy_compute_instance(call.nvml, owner, call.expected_at(kComputeInstance));
}

Status create_mig_device(Call& call, Result* result) {
  nvml::MigDevice device;
  const Status status = nvml::create_mig_device(call.nvml, call.gpu, call.gpu_uuid(), call[1],
                                                call.placement_at(2), &device);
  if (status.ok()) result->add(to_record(call[0], device));
  return status;
}

Status destroy_mig_device(Call& call, Result*) {
  return nvml::destroy_mig_device(call.nvml, call.gpu, call.expected_at(kGpuInstance),
                                  call.expected_at(kComputeInstance));
}

Status mig_devices(Call& call, Result* result) {
  std::vector<nvml::MigDevice> devices;
  const Status status = nvml::list_mig_devices(call.nvml, call.gpu, &devices);
  for (const nvml::MigDevice& device : devices) result->add(to_record(call[0], device));
  return status;
}

Status mig_device(Call& call, Result* result) {
  nvml::MigDevice device;
  const Status status =
      nvml::find_mig_device(call.nvml, call.gpu, call.gpu_uuid(), call[1], call[2], &device);
  if (status.ok()) result->add(to_record(call[0], device));
  return status;
}

Status mig_device_by_uuid(Call& call, Result* result) {
  nvmlDevice_t handle = nullptr;
  std::string gpu_uuid;
  Status status = nvml::find_mig_handle(call.nvml, call.text, &handle, &gpu_uuid);
  if (!status.ok()) return status;
  const unsigned gpu = call.devices.place_of(gpu_uuid);
  if (gpu == kNone) return {NVML_ERROR_NOT_FOUND, status.call};
  status = call.devices.handle(gpu, &call.gpu);
  if (!status.ok()) return status;
  nvml::MigDevice device;
  status = nvml::describe_mig_device(call.nvml, call.gpu, handle, &device);
  if (status.ok()) result->add(to_record(gpu, device));
  return status;
}

Status snapshot(Call& call, Result* result) {
  add_snapshot(call.nvml, call.devices, call[0], result);
  return {};
}

struct Entry {
  Operation operation;
  OperationShape shape;
  Status (*run)(Call& call, Result* result);
};

constexpr Entry kOperations[] = {
    {Operation::kNoop, {0, false}, noop},
    {Operation::kMigMode, {1, false}, mig_mode},
    {Operation::kSetMigMode, {2, false}, set_mig_mode},
    {Operation::kGpuInstanceProfiles, {1, false}, gpu_instance_profiles},
    {Operation::kGpuInstancePlacements, {2, false}, gpu_instance_placements},
    {Operation::kGpuInstances, {1, false}, gpu_instances},
    {Operation::kCreateGpuInstance, {4, false}, create_gpu_instance},
    {Operation::kDestroyGpuInstance, {6, false}, destroy_gpu_instance},
    {Operation::kComputeInstanceProfiles, {5, false}, compute_instance_profiles},
    {Operation::kComputeInstancePlacements, {6, false}, compute_instance_placements},
    {Operation::kComputeInstances, {5, false}, compute_instances},
    {Operation::kCreateComputeInstance, {8, false}, create_compute_instance},
    {Operation::kDestroyComputeInstance, {9, false}, destroy_compute_instance},
    {Operation::kCreateMigDevice, {4, false}, create_mig_device},
    {Operation::kDestroyMigDevice, {9, false}, destroy_mig_device},
    {Operation::kMigDevices, {1, false}, mig_devices},
    {Operation::kMigDevice, {3, false}, mig_device},
    {Operation::kMigDeviceByUuid, {0, true}, mig_device_by_uuid},
    {Operation::kSnapshot, {1, false, false}, snapshot},
};

constexpr bool in_order() {
  std::uint32_t index = 0;
  for (const Entry& entry : kOperations) {
    if (static_cast<std::uint32_t>(entry.operation) != index++) return false;
    if (entry.shape.arguments > kMaxArguments) return false;
  }
  return index == kOperationCount;
}
static_assert(in_order(), "kOperations holds every Operation, in the order of records.json");

const Entry& entry_of(Operation operation) {
  return kOperations[static_cast<std::uint32_t>(operation)];
}

}  // namespace

OperationShape shape_of(Operation operation) { return entry_of(operation).shape; }

Bytes perform(Operation operation, const Arguments& arguments, const std::string& text,
              const nvml::Library& nvml, nvml::Devices& devices) {
  const Entry& entry = entry_of(operation);
  const bool of_gpu = entry.shape.arguments > 0 && entry.shape.first_is_gpu;
  Call call{nvml, devices, arguments, text, nullptr};
  Result result;
  Status status = of_gpu ? devices.handle(arguments[0], &call.gpu) : Status{};
  if (status.ok()) status = entry.run(call, &result);
  if (of_gpu && status.doubts_handle()) devices.drop_handle(arguments[0]);
  return status.ok() ? std::move(result).finish(status) : Result().finish(status);
}

Status describe_session(std::uint32_t session, const nvml::Library& nvml, nvml::Devices* devices,
                        Result* result) {
  result->add(to_record(session, nvml::read_versions(nvml), nvml.file()), false);
  std::vector<nvml::DeviceIdentity> identities;
  const Status status = devices->list(nvml, &identities);
  for (unsigned index = 0; index < identities.size(); index++) {
    result->add(to_record(index, identities[index]));
  }
  return status;
}

Bytes describe_refusal(Status status, const nvml::Library& nvml) {
  Result result;
  if (status.code == NVML_ERROR_LIB_RM_VERSION_MISMATCH) {
    // Since R535 a library tells its own version without init, so that one knows what does not fit.
    Failure failure{};
    copy_text(nvml::read_versions(nvml).nvml, failure.text);
    result.add(failure);
  }
  return std::move(result).finish(status);
}

Bytes describe_failure(Status status, const std::string& why) {
  Failure failure{};
  copy_text(why, failure.text);
  Result result;
  result.add(failure);
  return std::move(result).finish(status);
}

}  // namespace nvml_mig
