"""
What happens around the GPUs of a node, as pynvml meets it. Each line of input is one thing to do on GPU 0,
each answer one line of JSON:
  look               modes, processes with their names, memory in use, instances; an error by its code
  mode 0|1           what changing the MIG mode answers: [return code, activation] or the error's code
  create ID          a GPU instance of the profile with that id: its id, or the error's code
  destroy            every GPU instance, its compute instances first: the codes
  listen             starts to follow all events that GPU 0 has; the mask
  event              the next event: [type, data, GPU instance, compute instance], or the error's code
"""

import json
import sys
from layout import *

MIB = 1 << 20


def answer(ask, *arguments):
    """What a call answers, or the code of the error that it raises."""
    try:
        return ask(*arguments)
    except NVMLError as error:
        return {"error": error.value}


def processes(device):
    return [
        [each.pid, nvmlSystemGetProcessName(each.pid), each.usedGpuMemory and each.usedGpuMemory // MIB, each.gpuInstanceId, each.computeInstanceId]
        for each in nvmlDeviceGetComputeRunningProcesses(device)
    ]


def instances(device):
    """None while MIG is off, when NVML refuses to list them."""
    return sorted(gpu_instance(each)[0] for each in gpu_instances(device)) if nvmlDeviceGetMigMode(device)[0] else []


def look(device):
    return {
        "mode": answer(nvmlDeviceGetMigMode, device),
        "processes": answer(processes, device),
        "instances": answer(instances, device),
        "devices": answer(lambda: [nvmlDeviceGetUUID(each) for each in mig_devices(device)]),
    }


def mode(device, wanted):
    return [NVML_SUCCESS, nvmlDeviceSetMigMode(device, int(wanted))]


def create(device, profile):
    return answer(lambda: gpu_instance(nvmlDeviceCreateGpuInstance(device, int(profile)))[0])


def destroy(device):
    codes = []
    for instance in gpu_instances(device):
        for compute in compute_instances(instance):
            codes.append(answer(nvmlComputeInstanceDestroy, compute))
        codes.append(answer(nvmlGpuInstanceDestroy, instance))
    return codes


events = None


def listen(device):
    global events
    events = nvmlEventSetCreate()
    mask = nvmlDeviceGetSupportedEventTypes(device)
    nvmlDeviceRegisterEvents(device, mask, events)
    return mask


def event(device):
    def wait():
        data = nvmlEventSetWait(events, 10_000)
        return [data.eventType, data.eventData, data.gpuInstanceId, data.computeInstanceId]

    return answer(wait)


nvmlInit()
gpu = nvmlDeviceGetHandleByIndex(0)
for line in sys.stdin:
    verb, *arguments = line.split()
    print(json.dumps(answer(globals()[verb], gpu, *arguments)), flush=True)
nvmlShutdown()
