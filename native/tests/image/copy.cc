#include "copy.h"

#include "churn.h"

namespace nvml_mig::image_tests {
namespace {

Image* OpenImage(const char* path, unsigned deadline_ms) {
  auto* image = new Image;
  MustOpen(image, path);
  image->lock_deadline_ms = deadline_ms;
  return image;
}

void CloseImage(Image* image) {
  image->Close();
  delete image;
}

ChangeStatus ChangeImage(Image* image, Random* random, const Hold* where) {
  step_hook = StopAtHold;
  hold = where;
  const ChangeStatus status = ChangeOnce(image, random);
  hold = nullptr;
  return status;
}

constexpr Copy kCopy = {OpenImage, CloseImage, ChangeImage};

}  // namespace
}  // namespace nvml_mig::image_tests

extern "C" __attribute__((visibility("default"))) const nvml_mig::image_tests::Copy* GetCopy() {
  return &nvml_mig::image_tests::kCopy;
}
