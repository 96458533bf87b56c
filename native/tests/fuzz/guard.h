// Makes reads beyond what was mapped visible: a file that is mapped has guard pages on either side and
// its last page is poisoned from the file's end on. The programs are linked so that mmap and munmap
// lead here.
#ifndef NVML_MIG_TESTS_FUZZ_GUARD_H
#define NVML_MIG_TESTS_FUZZ_GUARD_H

namespace nvml_mig::fuzz {

// From now on the gaps between the sections of a mapped image are poisoned, too. Only for images whose
// header is sound.
void GuardGaps(bool on);

}  // namespace nvml_mig::fuzz
#endif  // NVML_MIG_TESTS_FUZZ_GUARD_H
