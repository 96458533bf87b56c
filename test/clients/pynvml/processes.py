"""
Processes in a MIG instance, which another program starts and stops:
  processes.py create                 a 3g.20gb with two compute instances on GPU 0, which stay
  processes.py running PID MIB        process PID uses MIB in the second of them
  processes.py gone                   nobody uses them any more; they are destroyed
"""

import sys

from layout import *
from tap import done, raises, same

MIB = 1 << 20


def rows(device):
    return [(each.pid, each.usedGpuMemory, each.gpuInstanceId, each.computeInstanceId) for each in nvmlDeviceGetComputeRunningProcesses(device)]


def create(device):
    nvmlDeviceSetMigMode(device, 1)
    instance = nvmlDeviceCreateGpuInstance(device, 9)
    for _ in range(2):
        nvmlGpuInstanceCreateComputeInstance(instance, 0)
    same(len(mig_devices(device)), 2, "two MIG devices")
    for each in [device, *mig_devices(device)]:
        same(rows(each), [], "nobody uses it")


def running(device, pid, mib):
    first, second = mig_devices(device)
    place = (nvmlDeviceGetGpuInstanceId(second), nvmlDeviceGetComputeInstanceId(second))
    wanted = [(pid, mib * MIB, *place)]
    same(rows(second), wanted, "the MIG device lists the process, its memory and its place")
    same(rows(first), [], "its neighbour does not")
    same(rows(device), wanted, "the GPU lists the processes of all its instances")
    same(nvmlDeviceGetGraphicsRunningProcesses(second), [], "it does not draw")
    memory = nvmlDeviceGetMemoryInfo(second)
    same(memory.used >= mib * MIB, True, "its memory is in use")
    same(nvmlDeviceGetMemoryInfo(first).used, memory.used, "the memory is the GPU instance's, so the neighbour shows it too")
    instance = nvmlDeviceGetGpuInstanceById(device, place[0])
    busy = nvmlGpuInstanceGetComputeInstanceById(instance, place[1])
    raises(NVMLError_InUse, nvmlComputeInstanceDestroy, busy)
    raises(NVMLError_InUse, nvmlGpuInstanceDestroy, instance)
    raises(NVMLError_InUse, nvmlDeviceSetMigMode, device, 0)


def gone(device):
    for instance in gpu_instances(device):
        for compute in compute_instances(instance):
            nvmlComputeInstanceDestroy(compute)
        nvmlGpuInstanceDestroy(instance)
    same(nvmlDeviceSetMigMode(device, 0), NVML_SUCCESS, "MIG is switched off")
    same(rows(device), [], "nobody uses the GPU")


nvmlInit()
step, *numbers = sys.argv[1:]
{"create": create, "running": running, "gone": gone}[step](nvmlDeviceGetHandleByIndex(0), *map(int, numbers))
nvmlShutdown()
done()
