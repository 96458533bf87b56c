"""An NVIDIA A100-SXM4-40GB as recorded `nvidia-smi mig` listings show it."""

from collections import namedtuple

Profile = namedtuple("Profile", "name id slices instances mib sms copies decoders jpegs ofas starts size since")

# By slot, NVML_GPU_INSTANCE_PROFILE_*. `since`: the first driver branch that lists it.
# Memory: 4.75, 9.62, 19.50 and 39.25 GiB as R525 to R550 print it.
PROFILES = {
    0: Profile("1g.5gb", 19, 1, 7, 4864, 14, 1, 0, 0, 0, (0, 1, 2, 3, 4, 5, 6), 1, 450),
    1: Profile("2g.10gb", 14, 2, 3, 9856, 28, 2, 1, 0, 0, (0, 2, 4), 2, 450),
    2: Profile("3g.20gb", 9, 3, 2, 19968, 42, 3, 2, 0, 0, (0, 4), 4, 450),
    3: Profile("4g.20gb", 5, 4, 1, 19968, 56, 4, 2, 0, 0, (0,), 4, 450),
    4: Profile("7g.40gb", 0, 7, 1, 40192, 98, 7, 5, 1, 1, (0,), 8, 450),
    7: Profile("1g.5gb+me", 20, 1, 1, 4864, 14, 1, 1, 1, 1, (0, 1, 2, 3, 4, 5, 6), 1, 470),
    9: Profile("1g.10gb", 15, 1, 4, 9856, 14, 1, 1, 0, 0, (0, 2, 4, 6), 2, 525),
}
# 9.75, 19.62 and 39.50 GiB up to R510.
MIB_UP_TO_R510 = {14: 9984, 9: 20096, 5: 20096, 0: 40448}

# Slots that the driver's NVML knows: the COUNT of its header.
SLOTS = {450: 5, 460: 7, 470: 8, 525: 10, 535: 10, 550: 10}

# The first branch that has the call.
CREATE_WITH_PLACEMENT = 460
PLACEMENTS = 470
PROFILE_INFO_V = 510
MEMORY_INFO_V2 = 510
COMPUTE_PLACEMENT = 525


def profiles(branch):
    for slot, profile in PROFILES.items():
        if profile.since <= branch:
            mib = MIB_UP_TO_R510.get(profile.id, profile.mib) if branch < 515 else profile.mib
            yield slot, profile._replace(mib=mib)


def profile_by_id(branch, profile_id):
    return next(profile for _, profile in profiles(branch) if profile.id == profile_id)


def left_when_empty(branch, instances):
    """R450 to R510 say 0 on an empty GPU, but for R455 to R460, of which there is a listing that counts."""
    return instances if branch >= 515 or 455 <= branch < 465 else 0


def board_name(branch):
    """Recorded without NVIDIA's name up to R460."""
    return "A100-SXM4-40GB" if branch < 470 else "NVIDIA A100-SXM4-40GB"


def gpu_instance_id(start, size):
    """The whole board 0, halves from 1, quarters from 3, eighths from 7, in the order of their places."""
    return {8: 0, 4: 1, 2: 3, 1: 7}[size] + start // size
