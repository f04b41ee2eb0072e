// Mutator: seeded mutations of a corpus. Input number n depends on the corpus, the seed and n
// alone, so that any failing input can be made again. Pure; called by the fuzz driver and by tests
// that want nearly valid inputs.
#ifndef MELTEMI_TEST_FUZZ_MUTATE_H_
#define MELTEMI_TEST_FUZZ_MUTATE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "l7/base/prng.h"

namespace meltemi::fuzz {

class Mutator {
 public:
  // An empty corpus counts as one empty input. Outputs have at most `size_max` bytes.
  Mutator(std::vector<std::string> corpus, uint64_t seed, size_t size_max);

  std::string Input(uint64_t n) const;
  const std::vector<std::string>& corpus() const { return corpus_; }

 private:
  void CollectTokens(const std::string& input);
  void Mutate(Prng* prng, std::string* bytes) const;
  std::string Piece(Prng* prng) const;

  std::vector<std::string> corpus_;
  std::vector<std::string> tokens_;  // words of the corpus and bytes that parsers care about
  const uint64_t seed_;
  const size_t size_max_;
};

}  // namespace meltemi::fuzz

#endif  // MELTEMI_TEST_FUZZ_MUTATE_H_
