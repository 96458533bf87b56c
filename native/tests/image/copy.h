// A copy of the simulator's image code as a shared object, for a test that loads it twice.
#ifndef NVML_MIG_TESTS_IMAGE_COPY_H
#define NVML_MIG_TESTS_IMAGE_COPY_H

#include "held.h"
#include "support.h"

namespace nvml_mig::image_tests {

struct Copy {
  // The image at the path, mapped by this copy.
  Image* (*open)(const char* path, unsigned deadline_ms);
  void (*close)(Image* image);
  // One change, held if `hold` is given.
  ChangeStatus (*change)(Image* image, Random* random, const Hold* hold);
};
inline constexpr const char* kGetCopy = "GetCopy";  // const Copy* GetCopy()

}  // namespace nvml_mig::image_tests
#endif  // NVML_MIG_TESTS_IMAGE_COPY_H
