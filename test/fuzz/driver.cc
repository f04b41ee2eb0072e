// Runs a fuzz target without libFuzzer: every corpus file, then seeded mutations of them. Any
// compiler, any sanitizer, the same inputs each time.
//
//   target --rounds=20000 FILE_OR_FOLDER...
//
// A crash leaves the input in ./crash-input (and in hexadecimal on stderr when it is short).
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "l7/base/prng.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint64_t kSeed = 20'260'101;
constexpr size_t kInputBytesMax = 64 * 1024;

// What a crash handler can reach: the input under test.
const Bytes* current_input = nullptr;

void OnCrash(int signal) {
  if (current_input != nullptr) {
    if (FILE* out = std::fopen("crash-input", "wb")) {
      std::fwrite(current_input->data(), 1, current_input->size(), out);
      std::fclose(out);
    }
    std::fprintf(stderr, "crash (signal %d) on %zu bytes, see crash-input\n", signal,
                 current_input->size());
    for (size_t i = 0; i < current_input->size() && current_input->size() <= 256; ++i) {
      std::fprintf(stderr, "%02x", (*current_input)[i]);
    }
    std::fputc('\n', stderr);
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void RunOne(const Bytes& input) {
  current_input = &input;
  LLVMFuzzerTestOneInput(input.data(), input.size());
  current_input = nullptr;
}

void Load(const std::filesystem::path& path, std::vector<Bytes>* corpus) {
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::directory_iterator(path)) Load(entry, corpus);
    return;
  }
  std::ifstream in(path, std::ios::binary);
  corpus->emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

// One small change: a byte, a range removed, repeated or taken from another input.
void MutateOnce(const std::vector<Bytes>& corpus, meltemi::Prng* prng, Bytes* input) {
  const auto place = [&] { return prng->Below(input->size() + 1); };
  const size_t at = place();
  switch (prng->Below(6)) {
    case 0:
      if (!input->empty()) (*input)[at % input->size()] = static_cast<uint8_t>(prng->Next());
      break;
    case 1:
      if (!input->empty()) (*input)[at % input->size()] ^= 1u << prng->Below(8);
      break;
    case 2:
      input->insert(input->begin() + at, static_cast<uint8_t>(prng->Next()));
      break;
    case 3: {
      const size_t end = std::min(input->size(), at + 1 + prng->Below(16));
      input->erase(input->begin() + at, input->begin() + end);
      break;
    }
    case 4: {
      const Bytes range(input->begin() + at,
                        input->begin() + std::min(input->size(), at + prng->Below(64)));
      input->insert(input->begin() + place(), range.begin(), range.end());
      break;
    }
    case 5: {
      const Bytes& other = corpus[prng->Below(corpus.size())];
      if (other.empty()) break;
      const size_t from = prng->Below(other.size());
      const size_t size = std::min<size_t>(other.size() - from, prng->Below(64));
      input->insert(input->begin() + at, other.begin() + from, other.begin() + from + size);
      break;
    }
  }
  if (input->size() > kInputBytesMax) input->resize(kInputBytesMax);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Bytes> corpus;
  long rounds = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--rounds=", 9) == 0) {
      rounds = std::atol(argv[i] + 9);
    } else {
      Load(argv[i], &corpus);
    }
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "no corpus given\n");
    return 2;
  }
  for (int signal : {SIGSEGV, SIGABRT, SIGFPE, SIGILL, SIGBUS}) std::signal(signal, OnCrash);
  for (const Bytes& input : corpus) RunOne(input);
  meltemi::Prng prng(kSeed);
  for (long round = 0; round < rounds; ++round) {
    Bytes input = corpus[prng.Below(corpus.size())];
    for (uint64_t changes = 1 + prng.Below(8); changes > 0; --changes) {
      MutateOnce(corpus, &prng, &input);
    }
    RunOne(input);
  }
  std::printf("%zu corpus inputs, %ld mutations\n", corpus.size(), rounds);
  return 0;
}
