// Damage to a node's files: fields set to anything, bytes scribbled over, lengths changed.
#ifndef NVML_MIG_TESTS_FUZZ_DAMAGE_H
#define NVML_MIG_TESTS_FUZZ_DAMAGE_H

#include "node.h"
#include "program.h"

namespace nvml_mig::fuzz {

// One record's damage. Fields lie where the undamaged image has them.
void Damage(const Record& record, const Files& undamaged, Files* files);
// A number for Record that stands for the index-th field, counted around.
std::uint32_t FieldNumber(std::size_t index);

}  // namespace nvml_mig::fuzz
#endif  // NVML_MIG_TESTS_FUZZ_DAMAGE_H
