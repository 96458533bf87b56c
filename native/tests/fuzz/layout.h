// Images laid out anew, with checksums that fit.
#ifndef NVML_MIG_TESTS_FUZZ_LAYOUT_H
#define NVML_MIG_TESTS_FUZZ_LAYOUT_H

#include <cstdint>
#include <vector>

#include "program.h"

namespace nvml_mig::fuzz {

using FileBytes = std::vector<std::uint8_t>;

// The image with so many GPUs, the same ones again when it has fewer; `gap` bytes before each section
// but the header, and the commons last.
FileBytes LaidOut(const FileBytes& image, std::uint32_t gpus, std::size_t gap);

// Takes out faults that damage made up: one might kill this program, or hang.
void Disarm(FileBytes* image);

// Makes the checksums fit that the head does not want stale, as far as the header says where they are.
void Seal(const Head& head, FileBytes* image);

}  // namespace nvml_mig::fuzz
#endif  // NVML_MIG_TESTS_FUZZ_LAYOUT_H
