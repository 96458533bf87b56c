"""A GPU's layout as a monitoring program reads it with pynvml."""

from ctypes import byref

from pynvml import *


def branch():
    return int(nvmlSystemGetDriverVersion().split(".")[0])


def profile_ids(device):
    """By slot; what the board lacks and what the driver does not know are skipped alike."""
    for slot in range(NVML_GPU_INSTANCE_PROFILE_COUNT):
        try:
            yield nvmlDeviceGetGpuInstanceProfileInfo(device, slot, version=1)
        except (NVMLError_NotSupported, NVMLError_InvalidArgument):
            continue


def gpu_instances(device):
    found = []
    for profile in profile_ids(device):
        handles = (c_nvmlGpuInstance_t * profile.instanceCount)()
        count = c_uint(0xDEADBEEF)
        nvmlDeviceGetGpuInstances(device, profile.id, handles, byref(count))
        found += [handles[i] for i in range(count.value)]
    return found


def compute_instances(instance):
    found = []
    for slot in range(NVML_COMPUTE_INSTANCE_PROFILE_COUNT):
        try:
            profile = nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, slot, 0, version=1)
        except (NVMLError_NotSupported, NVMLError_InvalidArgument):
            continue
        handles = (c_nvmlComputeInstance_t * profile.instanceCount)()
        count = c_uint(0xDEADBEEF)
        nvmlGpuInstanceGetComputeInstances(instance, profile.id, handles, byref(count))
        found += [handles[i] for i in range(count.value)]
    return found


def mig_devices(device):
    found = []
    for index in range(nvmlDeviceGetMaxMigDeviceCount(device)):
        try:
            found.append(nvmlDeviceGetMigDeviceHandleByIndex(device, index))
        except NVMLError_NotFound:
            continue
    return found


def gpu_instance(handle):
    info = nvmlGpuInstanceGetInfo(handle)
    return [info.id, info.profileId, info.placement.start, info.placement.size]


def compute_instance(handle):
    info = nvmlComputeInstanceGetInfo(handle)
    owner = nvmlGpuInstanceGetInfo(info.gpuInstance)
    return [owner.id, info.id, info.profileId, info.placement.start, info.placement.size]


def mig_device(handle):
    return [
        nvmlDeviceGetGpuInstanceId(handle),
        nvmlDeviceGetComputeInstanceId(handle),
        nvmlDeviceGetUUID(handle),
        nvmlDeviceGetName(handle),
        nvmlDeviceGetAttributes(handle).memorySizeMB,
    ]


def layout(device):
    """Lists and texts only, so that two processes can compare theirs."""
    current, pending = nvmlDeviceGetMigMode(device)
    if not current:
        return {"mode": [current, pending]}
    instances = gpu_instances(device)
    return {
        "mode": [current, pending],
        "gpuInstances": sorted(gpu_instance(handle) for handle in instances),
        "computeInstances": sorted(compute_instance(each) for handle in instances for each in compute_instances(handle)),
        "devices": [mig_device(handle) for handle in mig_devices(device)],
    }
