"""
A second process, which initialises NVML once and then only looks, at each line of its input:
  look   what the GPU's layout is now
  kept   what the handles answer that it was given in earlier looks
Each answer is one line of JSON.
"""

import json
import sys

from layout import *

nvmlInit()
device = nvmlDeviceGetHandleByIndex(0)

# Every handle seen so far with the kind of thing it was and what it answered first.
kept = []


def keep(ask, handles):
    for handle in handles:
        kept.append((ask, handle, ask(handle)))


def look():
    if nvmlDeviceGetMigMode(device)[0]:
        instances = gpu_instances(device)
        keep(gpu_instance, instances)
        keep(compute_instance, [each for handle in instances for each in compute_instances(handle)])
        keep(mig_device, mig_devices(device))
    return layout(device)


def ask_again():
    """What the handles still answer, what errors they raise, and what became of those that answer otherwise."""
    alive, errors, changed = [], [], []
    for ask, handle, first in kept:
        try:
            now = ask(handle)
        except NVMLError as error:
            errors.append([first, type(error).__name__])
            continue
        (alive if now == first else changed).append(now)
    return {"alive": alive, "errors": errors, "changed": changed}


for line in sys.stdin:
    print(json.dumps({"look": look, "kept": ask_again}[line.strip()]()), flush=True)
nvmlShutdown()
