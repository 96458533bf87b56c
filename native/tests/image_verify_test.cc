// Images that must be refused, each with its sentence.
#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "boards.h"
#include "node_directory.h"
#include "simulator/checksum.h"
#include "simulator/image_verify.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes Sound() { return MakeImage(Driver(550), {A100(), A30()}); }

// What the opener answers to these bytes.
OpenStatus Try(const Bytes& bytes, std::string* sentence = nullptr) {
  const NodeDirectory directory(bytes);
  Image image;
  Reason reason;
  const OpenStatus status = image.Open(directory.image_path().c_str(), &reason);
  CHECK(image.is_open() == (status == OpenStatus::kOpened));
  CHECK((reason.text[0] == '\0') == (status == OpenStatus::kOpened));
  if (sentence != nullptr) *sentence = reason.text;
  image.Close();
  return status;
}

std::string SentenceFor(const std::function<void(Bytes&)>& spoil) {
  Bytes bytes = Sound();
  spoil(bytes);
  std::string sentence;
  CHECK(Try(bytes, &sentence) == OpenStatus::kRefused);
  return sentence;
}

void CheckSays(const std::string& sentence, const char* words) {
  CAPTURE(sentence);
  CHECK(sentence.find(words) != std::string::npos);
}

}  // namespace

TEST_CASE("a sound image is opened, with any number of GPUs") {
  CHECK(Try(Sound()) == OpenStatus::kOpened);
  CHECK(Try(MakeImage(Driver(550), {})) == OpenStatus::kOpened);
  CHECK(Try(MakeImage(Driver(550), std::vector<GpuBoard>(kMaxGpus, H100()))) ==
        OpenStatus::kOpened);
}

TEST_CASE("every flipped bit of the header is refused") {
  const Bytes sound = Sound();
  ImageHeader header;
  Reason reason;
  for (std::size_t bit = 0; bit < 8 * offsetof(ImageHeader, current); bit++) {
    std::memcpy(&header, sound.data(), sizeof(header));
    reinterpret_cast<std::uint8_t*>(&header)[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    REQUIRE_FALSE(VerifyHeader(header, sound.size(), &reason));
  }
}

TEST_CASE("an image that was cut or lengthened is refused") {
  const Bytes sound = Sound();
  const ImageHeader& header = HeaderOf(const_cast<Bytes&>(sound));
  for (std::size_t length :
       {std::size_t{0}, std::size_t{1}, std::size_t{kImageHeaderBytes - 1},
        std::size_t{kImageHeaderBytes}, std::size_t{kImageHeaderBytes + 1},
        std::size_t{header.slotOffset[0]}, std::size_t{header.slotOffset[1]}, sound.size() - 1}) {
    CAPTURE(length);
    CHECK(Try(Bytes(sound.begin(), sound.begin() + static_cast<std::ptrdiff_t>(length))) ==
          OpenStatus::kRefused);
  }
  Bytes longer = sound;
  longer.push_back(0);
  CHECK(Try(longer) == OpenStatus::kRefused);
}

TEST_CASE("an image that was cut or lengthened is refused by the length it should have") {
  Bytes bytes = Sound();
  const std::size_t length = bytes.size();
  bytes.resize(length - 64);
  std::string sentence;
  CHECK(Try(bytes, &sentence) == OpenStatus::kRefused);
  CheckSays(sentence, ("is " + std::to_string(length - 64) + " bytes long and should be " +
                       std::to_string(length)).c_str());
  bytes.resize(kImageHeaderBytes - 1);
  CHECK(Try(bytes, &sentence) == OpenStatus::kRefused);
  CheckSays(sentence, "shorter than its header");
}

TEST_CASE("records and sections of other sizes are refused, whichever they are") {
  using Word = std::uint32_t ImageHeader::*;
  for (const Word word : {&ImageHeader::headerBytes, &ImageHeader::nodeBytes,
                          &ImageHeader::gpuBoardBytes, &ImageHeader::nodeStateBytes,
                          &ImageHeader::gpuStateBytes}) {
    CheckSays(SentenceFor([&](Bytes& it) {
                HeaderOf(it).*word += 8;
                SealHeader(it);
              }),
              "other sizes");
  }
  using Size = std::uint64_t ImageHeader::*;
  for (const Size size : {&ImageHeader::boardsBytes, &ImageHeader::slotBytes}) {
    // Too small, no multiple of eight, more padding than alignment asks for.
    for (const std::uint64_t by : {-std::uint64_t{64}, std::uint64_t{4}, std::uint64_t{64}}) {
      CheckSays(SentenceFor([&](Bytes& it) {
                  HeaderOf(it).*size += by;
                  SealHeader(it);
                }),
                "do not have the size that 2 GPUs need");
    }
  }
}

TEST_CASE("what is wrong with an image is said") {
  CheckSays(SentenceFor([](Bytes& it) { HeaderOf(it).magic++; }), "does not start as");
  CheckSays(SentenceFor([](Bytes& it) { HeaderOf(it).layoutVersion = 1; }),
            "layout version 1; this library reads version 3");
  CheckSays(SentenceFor([](Bytes& it) { HeaderOf(it).nodeId[3] ^= 1; }), "header is damaged");
  CheckSays(SentenceFor([](Bytes& it) { BoardOf(it, 1).name[0] ^= 1; }), "boards are damaged");
  CheckSays(SentenceFor([](Bytes& it) {
              HeaderOf(it).gpuStateBytes += 8;
              SealHeader(it);
            }),
            "other sizes");
  CheckSays(SentenceFor([](Bytes& it) {
              HeaderOf(it).gpuCount = kMaxGpus + 1;
              SealHeader(it);
            }),
            "at most 16");
  CheckSays(SentenceFor([](Bytes& it) {
              HeaderOf(it).gpuCount = 1;
              SealHeader(it);
            }),
            "size that 1 GPUs need");
  CheckSays(SentenceFor([](Bytes& it) {
              HeaderOf(it).slotOffset[1] = HeaderOf(it).slotOffset[0];
              SealHeader(it);
            }),
            "overlap");
  CheckSays(SentenceFor([](Bytes& it) {
              HeaderOf(it).slotOffset[1] += 8;
              SealHeader(it);
            }),
            "off a 64-byte boundary");
  CheckSays(SentenceFor([](Bytes& it) {
              HeaderOf(it).slotOffset[1] += 64;
              SealHeader(it);
            }),
            "slot 1 and the commons overlap");
  CheckSays(SentenceFor([](Bytes& it) {
              HeaderOf(it).commonsOffset += 64;
              SealHeader(it);
            }),
            "the commons lie outside the file");
  CheckSays(SentenceFor([](Bytes& it) {
              HeaderOf(it).slotOffset[0] = 0;
              SealHeader(it);
            }),
            "the header and slot 0 overlap");
  CheckSays(SentenceFor([](Bytes& it) {
              Node& node = *reinterpret_cast<Node*>(it.data() + HeaderOf(it).boardsOffset);
              std::memset(node.nvmlVersion, 'x', sizeof(node.nvmlVersion));
              SealBoards(it);
            }),
            "driver release has no end");
  CheckSays(SentenceFor([](Bytes& it) {
              SlotOf(it, 0)[sizeof(Slot)] ^= 1;
              SlotOf(it, 1)[sizeof(Slot)] ^= 1;
            }),
            "live part is damaged in both of its slots");
  CheckSays(SentenceFor([](Bytes& it) {
              HeaderOf(it).boardsOffset = ~63ull;
              SealHeader(it);
            }),
            "outside the file");
}

TEST_CASE("boards that would lead out of bounds are refused") {
  const std::function<void(GpuBoard&)> spoilings[] = {
      [](GpuBoard& it) { it.profileCount = 21; },
      [](GpuBoard& it) { it.memorySlices = 33; },
      [](GpuBoard& it) { it.profileCount = ~0u; },
      [](GpuBoard& it) { it.profiles[0].startCount = 17; },
      [](GpuBoard& it) { it.profiles[0].starts[2] = 8; },
      [](GpuBoard& it) { it.profiles[0].placementSize = 0; },
      [](GpuBoard& it) { it.profiles[0].computeProfileCount = 11; },
      [](GpuBoard& it) { it.profiles[0].instanceCount = 9; },
      [](GpuBoard& it) { it.profiles[0].computeProfiles[0].instanceCount = 9; },
      [](GpuBoard& it) { it.profiles[0].computeProfiles[0].starts[0] = 8; },
      [](GpuBoard& it) { it.profiles[0].computeProfiles[0].startCount = 17; },
      [](GpuBoard& it) { it.profiles[0].computeProfiles[0].placementSize = 0; },
      [](GpuBoard& it) { it.profiles[0].computeProfiles[0].placementSize = ~0u; },
      [](GpuBoard& it) { it.profiles[0].placementSize = ~0u; },
      [](GpuBoard& it) { it.memorySlices = 32; },  // sixteen GPU instance ids and more
      [](GpuBoard& it) { std::memset(it.name, 'x', sizeof(it.name)); },
      [](GpuBoard& it) { std::memset(it.uuid, 'x', sizeof(it.uuid)); },
      [](GpuBoard& it) { std::memset(it.serial, 'x', sizeof(it.serial)); },
      [](GpuBoard& it) { std::memset(it.boardPartNumber, 'x', sizeof(it.boardPartNumber)); },
      [](GpuBoard& it) { std::memset(it.vbiosVersion, 'x', sizeof(it.vbiosVersion)); },
      [](GpuBoard& it) { std::memset(it.busId, 'x', sizeof(it.busId)); },
      [](GpuBoard& it) {
        ComputeProfile& last = it.profiles[0].computeProfiles[it.profiles[0].computeProfileCount - 1];
        std::memset(last.name, 'x', sizeof(last.name));
      },
      [](GpuBoard& it) { std::memset(it.profiles[0].name, 'x', sizeof(it.profiles[0].name)); },
  };
  for (const auto& spoil : spoilings) {
    CheckSays(SentenceFor([&](Bytes& it) {
                spoil(BoardOf(it, 0));
                SealBoards(it);
              }),
              "board of GPU 0 is not possible");
  }
}

TEST_CASE("a missing, unreadable or odd file is told apart") {
  const NodeDirectory directory;
  Image image;
  Reason reason;
  CHECK(image.Open(directory.image_path().c_str(), &reason) == OpenStatus::kMissing);
  CHECK(image.Open((directory.image_path() + "/x").c_str(), &reason) == OpenStatus::kMissing);
  CHECK(image.Open(directory.path().c_str(), &reason) == OpenStatus::kRefused);
  CHECK(image.Open(std::string(PATH_MAX, 'x').c_str(), &reason) == OpenStatus::kRefused);
  CHECK_FALSE(image.is_open());
}

TEST_CASE("a description that is not the one the image was made with is refused") {
  const std::string text = "{\"format\":\"nvml-mig-node/1\"}\n";  // no multiple of four
  Bytes bytes = Sound();
  Bytes words(text.begin(), text.end());
  words.resize((text.size() + 3) / 4 * 4);
  HeaderOf(bytes).descriptionBytes = text.size();
  HeaderOf(bytes).descriptionChecksum = Checksum(words.data(), words.size());
  SealHeader(bytes);
  const NodeDirectory directory(bytes);
  const std::string file = directory.path() + "/node.json";
  const auto open = [&](std::string* sentence) {
    Image image;
    Reason reason;
    const OpenStatus status = image.Open(directory.image_path().c_str(), &reason);
    image.Close();
    *sentence = reason.text;
    return status;
  };
  std::string sentence;
  CHECK(open(&sentence) == OpenStatus::kMissing);
  CheckSays(sentence, "node.json, which belongs to the node, cannot be read: No such file");
  std::string changed = text;
  changed[2] ^= 1;
  for (const std::string& wrong : {std::string(), text.substr(1), text + " ", changed}) {
    std::ofstream(file) << wrong;
    CAPTURE(wrong);
    CHECK(open(&sentence) == OpenStatus::kRefused);
    CheckSays(sentence, "node.json is not the one that the node was made with");
  }
  std::ofstream(file) << text;
  CHECK(open(&sentence) == OpenStatus::kOpened);
  std::filesystem::remove(file);
  std::filesystem::create_directory(file);
  CHECK(open(&sentence) == OpenStatus::kRefused);
  CheckSays(sentence, "node.json is not the one that the node was made with");
}
