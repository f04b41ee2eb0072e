#include "test/fuzz/mutate.h"

#include <algorithm>
#include <utility>

namespace meltemi::fuzz {
namespace {

constexpr size_t kTokenCountMax = 512;
constexpr size_t kTokenBytesMax = 32;
constexpr int kStepsMax = 6;

bool IsWord(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '_';
}

}  // namespace

Mutator::Mutator(std::vector<std::string> corpus, uint64_t seed, size_t size_max)
    : corpus_(std::move(corpus)), seed_(seed), size_max_(size_max) {
  if (corpus_.empty()) corpus_.emplace_back();
  tokens_ = {std::string(1, '\0'),
             "\r",
             "\n",
             "\r\n",
             "\r\n\r\n",
             " ",
             "\t",
             ":",
             ";",
             ",",
             "0",
             "-1",
             "+1",
             "4294967296",
             "18446744073709551616",
             "ffffffffffffffff",
             "\x7f",
             "\x80",
             "\xff",
             std::string(2, '\0'),
             std::string(4, '\xff')};
  for (const std::string& input : corpus_) CollectTokens(input);
}

void Mutator::CollectTokens(const std::string& input) {
  for (size_t at = 0; at < input.size() && tokens_.size() < kTokenCountMax;) {
    size_t end = at;
    while (end < input.size() && IsWord(input[end])) ++end;
    const std::string word = input.substr(at, std::min(end - at, kTokenBytesMax));
    if (word.size() > 1 && std::find(tokens_.begin(), tokens_.end(), word) == tokens_.end()) {
      tokens_.push_back(word);
    }
    at = end + 1;
  }
}

// Something to put in: a token, or a part of another input.
std::string Mutator::Piece(Prng* prng) const {
  if (prng->Chance(2, 3)) return tokens_[prng->Below(tokens_.size())];
  const std::string& other = corpus_[prng->Below(corpus_.size())];
  const size_t from = prng->Below(other.size());
  return other.substr(from, 1 + prng->Below(64));
}

void Mutator::Mutate(Prng* prng, std::string* bytes) const {
  std::string& b = *bytes;
  const size_t at = prng->Below(b.size() + 1);
  const size_t some = 1 + prng->Below(16);
  switch (prng->Below(8)) {
    case 0:  // flip a bit
      if (at < b.size()) b[at] = static_cast<char>(b[at] ^ (1 << prng->Below(8)));
      break;
    case 1:  // any byte
      if (at < b.size()) b[at] = static_cast<char>(prng->Below(256));
      break;
    case 2:
      b.insert(at, Piece(prng));
      break;
    case 3: {  // overwrite
      const std::string piece = Piece(prng);
      b.replace(at, piece.size(), piece);
      break;
    }
    case 4:  // remove
      b.erase(at, some);
      break;
    case 5:  // double a part
      b.insert(prng->Below(b.size() + 1), b.substr(at, some * 4));
      break;
    case 6: {  // splice: our beginning, another's end
      const std::string& other = corpus_[prng->Below(corpus_.size())];
      b = b.substr(0, at) + other.substr(prng->Below(other.size() + 1));
      break;
    }
    case 7:  // cut, seldom
      if (prng->Chance(1, 4)) b.resize(at);
      break;
  }
}

std::string Mutator::Input(uint64_t n) const {
  Prng prng(seed_ * 0x9e3779b97f4a7c15 + n);
  std::string bytes = corpus_[prng.Below(corpus_.size())];
  for (uint64_t steps = 1 + prng.Below(kStepsMax); steps > 0; --steps) Mutate(&prng, &bytes);
  if (bytes.size() > size_max_) bytes.resize(size_max_);
  return bytes;
}

}  // namespace meltemi::fuzz
