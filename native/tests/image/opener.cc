// 8 of 12: what the opener refuses and what it puts right.
//
//   truncated  every length but the right one is refused
//   bits       every bit of the header's constant part, and bits of the boards, refused when flipped
//   slots      a torn active slot falls back to the other; two torn ones are refused
//
// Sections are sampled by the seed; every bit of them when full.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "audit.h"
#include "churn.h"
#include "image_file.h"
#include "support.h"

namespace nvml_mig::image_tests {
namespace {

using simulator::ImageHeader;

// Bytes of the header that its checksum covers, and the checksum.
constexpr std::size_t kConstantBytes = offsetof(ImageHeader, current);
// The checksum the header carries sits at the end of them.
static_assert(offsetof(ImageHeader, headerChecksum) + 8 == kConstantBytes);

struct Found {
  OpenStatus status;
  std::uint64_t number;
  State state;
};

// What a new client of the file meets; a state that is handed out is a good one.
Found Open(const std::string& path, const char* what, std::size_t where) {
  Image image;
  Reason reason;
  Found found{image.Open(path.c_str(), &reason), 0, {}};
  if (found.status == OpenStatus::kOpened) {
    found.number = image.Read(&found.state);
    EXPECT(image.IsSound() && StateIsGood(image, found.state, &reason), "%s %zu: %s", what, where,
           reason.text);
    image.Close();
  } else {
    EXPECT(reason.text[0] != '\0', "%s %zu was refused without a reason", what, where);
  }
  return found;
}

void MustRefuse(const std::string& path, const char* what, std::size_t where) {
  EXPECT(Open(path, what, where).status == OpenStatus::kRefused, "%s %zu was not refused", what,
         where);
}

void MustBe(const Found& found, const State& state, std::uint64_t number, const char* what) {
  EXPECT(found.status == OpenStatus::kOpened, "%s: refused", what);
  EXPECT(found.number == number, "%s: change %.0f, not %.0f", what, double(found.number),
         double(number));
  EXPECT(std::memcmp(&found.state, &state, sizeof(State)) == 0, "%s: another state", what);
}

void Truncated(ImageFile* file) {
  const std::size_t whole = file->bytes().size();
  for (std::size_t more : {1, 8, 63, 64, 4096}) {
    file->Resize(whole + more);
    MustRefuse(file->path(), "the image of length", whole + more);
  }
  for (std::size_t length = whole; length-- > 0;) {
    file->Resize(length);
    MustRefuse(file->path(), "the image of length", length);
  }
  file->Restore();
  Figure("lengths_refused", double(whole + 5));
}

// Every bit, or some.
std::size_t RefuseBits(ImageFile* file, std::size_t from, std::size_t bytes, bool every,
                       Random* random, const char* what) {
  const std::size_t count = every ? bytes * 8 : std::min<std::size_t>(bytes * 8, 2'000);
  for (std::size_t i = 0; i < count; i++) {
    const std::size_t bit = from * 8 + (every ? i : random->Below(bytes * 8));
    file->FlipBit(bit);
    MustRefuse(file->path(), what, bit);
    file->Put(bit / 8, &file->bytes()[bit / 8], 1);
  }
  return count;
}

// The file as several changes left it, and its last two states.
struct History {
  State before, now;
  std::uint64_t number;
  std::vector<std::uint8_t> older;  // the active slot's bytes two changes ago
};

History MakeHistory(ImageFile* file, Random* random) {
  History history;
  Image image;
  MustOpen(&image, file->path());
  EnableMig(&image);
  for (int i = 0; i < 20; i++) MustChangeOnce(&image, random);
  const std::vector<std::uint8_t> bytes = ReadFile(file->path());
  const std::size_t slot = file->slot(image.current());
  history.older.assign(bytes.begin() + static_cast<std::ptrdiff_t>(slot),
                       bytes.begin() + static_cast<std::ptrdiff_t>(slot + file->header().slotBytes));
  std::memset(&history.before, 0, sizeof(State));
  std::memset(&history.now, 0, sizeof(State));
  MustChangeOnce(&image, random);
  image.Read(&history.before);
  MustChangeOnce(&image, random);
  history.number = image.Read(&history.now);
  image.Close();
  file->Keep();
  return history;
}

void Bits(ImageFile* file, bool full, Random* random) {
  const History history = MakeHistory(file, random);
  const ImageHeader header = file->header();
  Figure("header_bits_refused",
         double(RefuseBits(file, 0, kConstantBytes, true, random, "the header with bit")));
  Figure("board_bits_refused",
         double(RefuseBits(file, header.boardsOffset, header.boardsBytes, full, random,
                           "the image with bit")));
  // A wrong `current` is refused, or it leads to the change before. What follows is `retired`, which
  // has no say in reads, and nothing.
  std::size_t survived = 0;
  for (std::size_t bit = kConstantBytes * 8; bit < sizeof(ImageHeader) * 8; bit++) {
    file->FlipBit(bit);
    const Found found = Open(file->path(), "the header with bit", bit);
    if (bit / 8 >= kConstantBytes + sizeof(header.current)) {
      MustBe(found, history.now, history.number, "an unused bit");
    } else if (found.status == OpenStatus::kOpened) {
      const bool newest = std::memcmp(&found.state, &history.now, sizeof(State)) == 0;
      MustBe(found, newest ? history.now : history.before, found.number, "a wrong number");
      survived++;
    }
    file->Restore();
  }
  Figure("current_bits_survived", double(survived));
  MustBe(Open(file->path(), "the image", 0), history.now, history.number, "the restored image");
}

// Bits of a slot: the active one falls back, the spare one does not matter.
void SlotBits(ImageFile* file, const History& history, bool full, Random* random) {
  const std::size_t bits = file->header().slotBytes * 8;
  const std::size_t count = full ? bits : std::min<std::size_t>(bits, 2'000);
  for (std::size_t i = 0; i < count; i++) {
    const std::size_t bit = full ? i : random->Below(bits);
    file->FlipBit(file->slot(history.number) * 8 + bit);
    MustBe(Open(file->path(), "bit of the active slot", bit), history.before, history.number + 1,
           "a flipped bit of the active slot");
    // It was put right for good: the next client finds nothing to do.
    MustBe(Open(file->path(), "bit of the active slot", bit), history.before, history.number + 1,
           "the image that was put right");
    file->Restore();
    file->FlipBit(file->slot(history.number + 1) * 8 + bit);
    MustBe(Open(file->path(), "bit of the spare slot", bit), history.now, history.number,
           "a flipped bit of the spare slot");
    file->Restore();
  }
  Figure("slot_bits", double(2 * count));
}

// A machine that died: some lines of the active slot never reached the disk. Nothing smaller is lost
// by itself, so a slot's number and checksum, which share a line, stay together.
void TornSlots(ImageFile* file, const History& history, bool full, Random* random) {
  constexpr std::size_t line = 64;
  const std::size_t slot = file->slot(history.number);
  const std::size_t bytes = history.older.size();
  const int tears = full ? 20'000 : 2'000;
  int fell_back = 0;
  for (int i = 0; i < tears; i++) {
    const std::uint64_t density = 1 + random->Below(20);
    bool torn = false;
    for (std::size_t at = 0; at < bytes; at += line) {
      // The last tear loses the slot as a whole.
      if (i != tears - 1 && random->Below(20) >= density) continue;
      const std::size_t length = std::min(line, bytes - at);
      torn |= std::memcmp(&history.older[at], &file->bytes()[slot + at], length) != 0;
      file->Put(slot + at, &history.older[at], length);
    }
    MustBe(Open(file->path(), "tear", static_cast<std::size_t>(i)),
           torn ? history.before : history.now, history.number + torn, "a torn slot");
    fell_back += torn;
    file->Restore();
  }
  Figure("tears", double(tears));
  Figure("fell_back", double(fell_back));
}

// Several clients find the tear at once, and one of them puts it right.
void RepairTogether(ImageFile* file, const History& history) {
  for (int round = 0; round < 20; round++) {
    file->FlipBit((file->slot(history.number) + 100) * 8);
    const Event start;
    pid_t openers[4];
    for (pid_t& opener : openers) {
      opener = Spawn([&] {
        start.MustCome("the start");
        MustBe(Open(file->path(), "together", 0), history.before, history.number + 1,
               "a torn slot that several find");
      });
    }
    for (std::size_t i = 0; i < std::size(openers); i++) start.Signal();
    for (const pid_t opener : openers) MustSucceed(opener, "one of several openers");
    file->Restore();
  }
}

void Slots(ImageFile* file, bool full, Random* random) {
  // Nothing to fall back to yet.
  file->FlipBit((file->slot(file->header().current) + 100) * 8);
  MustRefuse(file->path(), "the fresh image with its only slot torn", 0);
  file->Restore();

  const History history = MakeHistory(file, random);
  SlotBits(file, history, full, random);
  TornSlots(file, history, full, random);
  RepairTogether(file, history);
  for (std::uint64_t slot = 0; slot < 2; slot++) {
    const std::uint8_t damage[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    file->Put(file->slot(slot) + 24, damage, sizeof(damage));
  }
  MustRefuse(file->path(), "the image with both slots torn", 0);
  file->Restore();

  // After falling back the node works on.
  file->FlipBit((file->slot(history.number) + 100) * 8);
  Image image;
  MustOpen(&image, file->path());
  const ChangeCount since = CountFrom(image);
  for (int i = 0; i < 100; i++) MustChangeOnce(&image, random);
  Reason reason;
  EXPECT(ImageIsGood(image, since, &reason), "after falling back: %s", reason.text);
}

void Run(const Options& options) {
  GiveUpAfter(options.full ? 600 : 100);
  Random random(options.seed);
  ImageFile file(CopyImage(options, "opener"));
  if (options.has("truncated")) Truncated(&file);
  if (options.has("slots")) Slots(&file, options.full, &random);
  if (options.has("bits")) Bits(&file, options.full, &random);
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  nvml_mig::image_tests::Run(nvml_mig::image_tests::ReadOptions(count, arguments));
}
