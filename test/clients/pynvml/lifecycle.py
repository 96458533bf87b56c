"""
The whole life of MIG instances on an A100-SXM4-40GB, as a program does it that drives pynvml: by-reference
arrays, typed errors, and a second process that looks on.
"""

import json
import subprocess
import sys
from ctypes import byref
from pathlib import Path

import facts
from layout import *
from tap import done, holds, raises, same


class Onlooker:
    def __init__(self):
        program = Path(__file__).with_name("onlooker.py")
        self.process = subprocess.Popen(
            [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline() or '"it ended"')

    def sees(self, device, sentence):
        same(self.ask("look"), layout(device), f"the onlooker sees {sentence}")

    def end(self):
        self.process.stdin.close()
        same(self.process.wait(), 0, "the onlooker ends well")


def has(since):
    return branch() >= since


def text(name):
    """Some versions of pynvml leave the names in structs as bytes."""
    return name.decode() if isinstance(name, bytes) else name


def identities(gpus):
    same(nvmlDeviceGetCount(), 2, "two GPUs")
    same(nvmlSystemGetNVMLVersion().split(".", 1)[1], nvmlSystemGetDriverVersion(), "NVML's version ends in the driver's")
    for index, device in enumerate(gpus):
        same(nvmlDeviceGetName(device), facts.board_name(branch()), f"the name of GPU {index}")
        same(nvmlDeviceGetIndex(device), index, f"the index of GPU {index}")
        found = nvmlDeviceGetHandleByUUID(nvmlDeviceGetUUID(device))
        same(nvmlDeviceGetIndex(found), index, f"GPU {index} by its UUID")
        found = nvmlDeviceGetHandleByPciBusId(nvmlDeviceGetPciInfo(device).busId)
        same(nvmlDeviceGetIndex(found), index, f"GPU {index} by its PCI address")


def with_mig_off(device):
    same(nvmlDeviceGetMigMode(device), [0, 0], "MIG is off")
    same(nvmlDeviceGetMaxMigDeviceCount(device), 0, "no MIG device is possible")
    same(nvmlDeviceIsMigDeviceHandle(device).value, 0, "a GPU is no MIG device")
    same(nvmlDeviceGetGpuInstanceRemainingCapacity(device, 19), 0, "nothing is left of a profile")
    raises(NVMLError_NotSupported, nvmlDeviceCreateGpuInstance, device, 19)
    raises(NVMLError_NotSupported, nvmlDeviceGetGpuInstanceId, device)
    raises(NVMLError_NotSupported, nvmlDeviceGetAttributes, device)
    raises(NVMLError_InvalidArgument, nvmlDeviceSetMigMode, device, 2)


def figures(info):
    return [
        *(info.id, info.sliceCount, info.instanceCount, info.memorySizeMB, info.multiprocessorCount),
        *(info.copyEngineCount, info.decoderCount, info.jpegCount, info.ofaCount, info.encoderCount, info.isP2pSupported),
    ]


def profiles(device):
    """Enumerated up to pynvml's own count, which is older or newer than the driver's."""
    expected = dict(facts.profiles(branch()))
    for slot in range(NVML_GPU_INSTANCE_PROFILE_COUNT):
        if slot not in expected:
            beyond = slot >= facts.SLOTS[branch()]
            error = NVMLError_InvalidArgument if beyond else NVMLError_NotSupported
            raises(error, nvmlDeviceGetGpuInstanceProfileInfo, device, slot, 1)
            continue
        _, ident, slices, instances, mib, sms, copies, decoders, jpegs, ofas, *_ = profile = expected[slot]
        wanted = [ident, slices, instances, mib, sms, copies, decoders, jpegs, ofas, 0, 0]
        plain = nvmlDeviceGetGpuInstanceProfileInfo(device, slot, version=1)
        same(figures(plain), wanted, f"{profile.name} by the plain call")
        if has(facts.PROFILE_INFO_V):
            info = nvmlDeviceGetGpuInstanceProfileInfoV(device, slot)
            same(figures(info), wanted, f"{profile.name} by the V call")
            same(text(info.name), f"MIG {profile.name}", f"{profile.name} by name")
        left = facts.left_when_empty(branch(), instances)
        same(nvmlDeviceGetGpuInstanceRemainingCapacity(device, ident), left, f"{profile.name}: what is left on an empty GPU")
        placements(device, profile)
    if not has(facts.PROFILE_INFO_V):
        raises(NVMLError_FunctionNotFound, nvmlDeviceGetGpuInstanceProfileInfo, device, 0)


def placements(device, profile):
    count = c_uint(0xDEADBEEF)
    if not has(facts.PLACEMENTS):
        raises(NVMLError_FunctionNotFound, nvmlDeviceGetGpuInstancePossiblePlacements, device, profile.id, None, byref(count))
        return
    nvmlDeviceGetGpuInstancePossiblePlacements(device, profile.id, None, byref(count))
    array = (c_nvmlGpuInstancePlacement_t * count.value)()
    nvmlDeviceGetGpuInstancePossiblePlacements(device, profile.id, array, byref(count))
    got = [(each.start, each.size) for each in array]
    same(got, [(start, profile.size) for start in profile.starts], f"{profile.name}: where it may go")


def create_at(device, profile_id, start):
    """Where the driver is asked to put it, on drivers that can be asked."""
    profile = facts.profile_by_id(branch(), profile_id)
    if has(facts.CREATE_WITH_PLACEMENT):
        place = c_nvmlGpuInstancePlacement_t(start, profile.size)
        made = nvmlDeviceCreateGpuInstanceWithPlacement(device, profile_id, byref(place))
        same(nvmlGpuInstanceGetInfo(made).placement.start, start, f"{profile.name} is where it was asked for")
    else:
        made = nvmlDeviceCreateGpuInstance(device, profile_id)
    info = nvmlGpuInstanceGetInfo(made)
    holds(info.placement.start in profile.starts, f"{profile.name} is in one of its places", info.placement.start)
    same(
        [info.id, info.profileId, info.placement.size],
        [facts.gpu_instance_id(info.placement.start, profile.size), profile_id, profile.size],
        f"what the new {profile.name} is",
    )
    return made


def compute_instances_of_3g(instance):
    """1c.3g.20gb: profile 0, 2c.3g.20gb: 1, 3g.20gb: 2, in three compute slots."""
    wanted = {0: (1, 3, 14), 1: (2, 1, 28), 2: (3, 1, 42)}
    for slot in range(NVML_COMPUTE_INSTANCE_PROFILE_COUNT):
        try:
            info = nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, slot, 0, version=1)
        except (NVMLError_NotSupported, NVMLError_InvalidArgument):
            continue
        got = (info.sliceCount, info.instanceCount, info.multiprocessorCount)
        same(got, wanted.pop(info.id, None), f"compute profile {info.id} of a 3g.20gb")
        if has(facts.PROFILE_INFO_V):
            name = text(nvmlGpuInstanceGetComputeInstanceProfileInfoV(instance, slot, 0).name)
            prefix = "" if info.sliceCount == 3 else f"{info.sliceCount}c."
            same(name, f"MIG {prefix}3g.20gb", f"compute profile {info.id} by name")
    same(wanted, {}, "no compute profile is missing")

    first = 0
    if has(facts.COMPUTE_PLACEMENT):
        count = c_uint()
        nvmlGpuInstanceGetComputeInstancePossiblePlacements(instance, 0, None, byref(count))
        array = (c_nvmlComputeInstancePlacement_t * count.value)()
        nvmlGpuInstanceGetComputeInstancePossiblePlacements(instance, 0, array, byref(count))
        same([(each.start, each.size) for each in array], [(0, 1), (1, 1), (2, 1)], "where a 1c.3g.20gb may go")
        first = 2
        place = c_nvmlComputeInstancePlacement_t(first, 1)
        one = nvmlGpuInstanceCreateComputeInstanceWithPlacement(instance, 0, byref(place))
        raises(NVMLError_InsufficientResources, nvmlGpuInstanceCreateComputeInstanceWithPlacement, instance, 0, byref(place))
    else:
        one = nvmlGpuInstanceCreateComputeInstance(instance, 0)
    two = nvmlGpuInstanceCreateComputeInstance(instance, 0)
    owner = nvmlGpuInstanceGetInfo(instance).id
    same(compute_instance(one), [owner, 0, 0, first, 1], "the first compute instance")
    same(compute_instance(two), [owner, 1, 0, 1 - first // 2, 1], "the second takes the first free id and place")
    same(nvmlGpuInstanceGetComputeInstanceRemainingCapacity(instance, 0), 1, "one more 1c.3g.20gb is left")
    same(nvmlGpuInstanceGetComputeInstanceRemainingCapacity(instance, 2), 0, "no 3g.20gb is left")
    raises(NVMLError_InsufficientResources, nvmlGpuInstanceCreateComputeInstance, instance, 2)
    raises(NVMLError_NotSupported, nvmlGpuInstanceCreateComputeInstance, instance, 99)
    raises(NVMLError_NotFound, nvmlGpuInstanceGetComputeInstanceById, instance, 5)
    same(compute_instance(nvmlGpuInstanceGetComputeInstanceById(instance, 1)), compute_instance(two), "by its id")
    return [one, two]


def devices(gpu, expected):
    """`expected`: (name, multiprocessors, GPU-instance profile) of each device, in order."""
    handles = mig_devices(gpu)
    same(len(handles), len(expected), "as many MIG devices as compute instances")
    places = []
    for index, (handle, (name, sms, profile_id)) in enumerate(zip(handles, expected)):
        profile = facts.profile_by_id(branch(), profile_id)
        same(nvmlDeviceGetName(handle), f"{facts.board_name(branch())} MIG {name}", f"the name of MIG device {index}")
        same(nvmlDeviceGetIndex(handle), index, f"the index of MIG device {index}")
        same(nvmlDeviceIsMigDeviceHandle(handle).value, 1, f"MIG device {index} is one")
        same(nvmlDeviceGetIndex(nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)), 0, f"the GPU of MIG device {index}")
        got = nvmlDeviceGetAttributes(handle)
        same(
            [got.multiprocessorCount, got.gpuInstanceSliceCount, got.memorySizeMB, got.sharedCopyEngineCount, got.sharedDecoderCount],
            [sms, profile.slices, profile.mib, profile.copies, profile.decoders],
            f"the attributes of MIG device {index}",
        )
        memory = nvmlDeviceGetMemoryInfo(handle)
        same(memory.total, profile.mib << 20, f"the memory of MIG device {index}")
        same(memory.used + memory.free, memory.total, f"used and free of MIG device {index}")
        if has(facts.MEMORY_INFO_V2):
            same(nvmlDeviceGetMemoryInfo(handle, nvmlMemory_v2).total, memory.total, f"the memory of MIG device {index} in version 2")
        # Recorded: the board's 64 GiB by memory slices, less 1 MiB.
        same(nvmlDeviceGetBAR1MemoryInfo(handle).bar1Total, (65536 * profile.size // 8 - 1) << 20, f"BAR1 of MIG device {index}")
        raises(NVMLError_NotSupported, nvmlDeviceGetUtilizationRates, handle)
        places.append(by_uuid(gpu, handle))
    same(places, sorted(places), "the indices follow GPU instance and compute instance")


def by_uuid(gpu, handle):
    uuid = nvmlDeviceGetUUID(handle)
    place = [nvmlDeviceGetGpuInstanceId(handle), nvmlDeviceGetComputeInstanceId(handle)]
    legacy = "MIG-{}/{}/{}".format(nvmlDeviceGetUUID(gpu), *place)
    if branch() <= 460:
        same(uuid, legacy, "up to R460 the UUID is the place")
    for name in (uuid, legacy):
        same(mig_device(nvmlDeviceGetHandleByUUID(name)), mig_device(handle), f"{name} leads back to it")
    return place


def errors(device):
    raises(NVMLError_InvalidArgument, nvmlDeviceCreateGpuInstance, device, 99)
    raises(NVMLError_InsufficientResources, nvmlDeviceCreateGpuInstance, device, 0)
    raises(NVMLError_NotFound, nvmlDeviceGetGpuInstanceById, device, 0)
    raises(NVMLError_NotFound, nvmlDeviceGetMigDeviceHandleByIndex, device, 6)
    raises(NVMLError_NotFound, nvmlDeviceGetHandleByUUID, "GPU-00000000-0000-0000-0000-000000000000")
    raises(NVMLError_InvalidArgument, nvmlDeviceGetHandleByUUID, "the first one")
    raises(NVMLError_InvalidArgument, nvmlDeviceGetHandleByIndex, 2)
    raises(NVMLError_InUse, nvmlDeviceSetMigMode, device, 0)
    raises(NVMLError_NotSupported, nvmlDeviceGetUtilizationRates, device)
    if has(facts.CREATE_WITH_PLACEMENT):
        taken, unlisted = c_nvmlGpuInstancePlacement_t(4, 4), c_nvmlGpuInstancePlacement_t(1, 4)
        raises(NVMLError_InsufficientResources, nvmlDeviceCreateGpuInstanceWithPlacement, device, 9, byref(taken))
        raises(NVMLError_InvalidArgument, nvmlDeviceCreateGpuInstanceWithPlacement, device, 9, byref(unlisted))
    else:
        raises(NVMLError_FunctionNotFound, nvmlDeviceCreateGpuInstanceWithPlacement, device, 9, None)
    # pynvml has no words of its own for this one and asks NVML.
    same(str(NVMLError(NVML_ERROR_IN_USE)), "In use by another client", "an error's words come from NVML")


def life(device, onlooker):
    onlooker.sees(device, "an empty GPU")
    three = nvmlDeviceCreateGpuInstance(device, 9)
    if branch() > 450:
        # Recorded of every driver after R450: the upper half first.
        same(gpu_instance(three), [2, 9, 4, 4], "the driver puts the first 3g.20gb into the upper half")
    onlooker.sees(device, "the 3g.20gb")
    small, two = create_at(device, 19, 0), create_at(device, 14, 2)
    same(nvmlDeviceGetMigMode(device), [1, 1], "MIG is on")
    same([nvmlDeviceGetGpuInstanceRemainingCapacity(device, each) for each in (19, 9, 0)], [1, 0, 0], "what is left of 1g, 3g and 7g")
    onlooker.sees(device, "three GPU instances without compute instances")

    computes = compute_instances_of_3g(three)
    onlooker.sees(device, "two compute instances in the first")
    computes += [nvmlGpuInstanceCreateComputeInstance(two, 1), nvmlGpuInstanceCreateComputeInstance(small, 0)]
    errors(device)
    devices(device, [("1c.3g.20gb", 14, 9), ("1c.3g.20gb", 14, 9), ("2g.10gb", 28, 14), ("1g.5gb", 14, 19)])
    onlooker.sees(device, "four MIG devices and their UUIDs")
    return three, two, small, computes


def replaced(device, onlooker, small, compute):
    """Another profile at the place of the 1g.5gb: the same ids, and handles of the old one still about."""
    before = layout(device)
    raises(NVMLError_InUse, nvmlGpuInstanceDestroy, small)
    nvmlComputeInstanceDestroy(compute)
    raises(NVMLError_InvalidArgument, nvmlComputeInstanceDestroy, compute)
    nvmlGpuInstanceDestroy(small)
    raises(NVMLError_InvalidArgument, nvmlGpuInstanceGetInfo, small)
    onlooker.sees(device, "that the 1g.5gb is gone")
    raises(NVMLError_NotFound, nvmlDeviceGetHandleByUUID, before["devices"][3][2])

    profile_id = 20 if branch() >= 470 else 19
    again = create_at(device, profile_id, 0)
    raises(NVMLError_InvalidArgument, nvmlGpuInstanceGetInfo, small)
    compute = nvmlGpuInstanceCreateComputeInstance(again, 0)
    onlooker.sees(device, "what came in its place")
    same(
        [device[:3] for device in layout(device)["devices"]],
        [device[:3] for device in before["devices"]],
        "the same place has the same UUID, whatever the profile",
    )
    kept = onlooker.ask("kept")
    same(kept["changed"], [], "no handle of the onlooker answers for another instance")
    gone = [first for first, _ in kept["errors"]]
    for what in (before["gpuInstances"][-1], before["computeInstances"][-1], before["devices"][-1]):
        holds(what in gone, f"the onlooker's handle of {what} raises an error", kept)
    same({error for _, error in kept["errors"]}, {"NVMLError_InvalidArgument"}, "it is InvalidArgument")
    holds(before["devices"][0] in kept["alive"], "its other handles go on working", kept)
    return again, compute


def main():
    raises(NVMLError_Uninitialized, nvmlDeviceGetCount)
    nvmlInit()
    nvmlInit()
    gpus = [nvmlDeviceGetHandleByIndex(0), nvmlDeviceGetHandleByIndex(1)]
    identities(gpus)
    device, other = gpus
    with_mig_off(device)
    onlooker = Onlooker()
    onlooker.sees(device, "that MIG is off")
    same(nvmlDeviceSetMigMode(device, 1), NVML_SUCCESS, "MIG is switched on at once")
    profiles(device)
    three, two, small, computes = life(device, onlooker)
    full = layout(device)
    with_mig_off(other)

    small, computes[3] = replaced(device, onlooker, small, computes[3])
    for compute in computes:
        nvmlComputeInstanceDestroy(compute)
    same(mig_devices(device), [], "no MIG device without a compute instance")
    onlooker.sees(device, "GPU instances that are empty again")
    for instance in (small, two, three):
        nvmlGpuInstanceDestroy(instance)
    onlooker.sees(device, "an empty GPU again")
    same(onlooker.ask("kept")["alive"], [], "none of its handles answers any more")

    three, two, small, computes = life(device, onlooker)
    same(layout(device)["devices"], full["devices"], "created again at the same places: the same MIG devices")
    for handle in computes:
        nvmlComputeInstanceDestroy(handle)
    for handle in (three, two, small):
        nvmlGpuInstanceDestroy(handle)
    same(nvmlDeviceSetMigMode(device, 0), NVML_SUCCESS, "MIG is switched off again")
    onlooker.sees(device, "that MIG is off again")
    onlooker.end()

    nvmlShutdown()
    same(nvmlDeviceGetCount(), 2, "one of two users shut NVML down: it goes on")
    nvmlShutdown()
    raises(NVMLError_Uninitialized, nvmlDeviceGetCount)
    raises(NVMLError_Uninitialized, nvmlDeviceGetMigMode, device)
    done()


main()
