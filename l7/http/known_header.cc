#include "l7/http/known_header.h"

#include <array>
#include <cstddef>

namespace meltemi::http {
namespace {

constexpr std::string_view kNames[] = {"",
#define MELTEMI_KNOWN_NAME(id, name) name,
                                       MELTEMI_KNOWN_HEADERS(MELTEMI_KNOWN_NAME)
#undef MELTEMI_KNOWN_NAME
};
constexpr size_t kCount = sizeof(kNames) / sizeof(kNames[0]);
constexpr size_t kSlots = 256;
static_assert(kCount <= 64);  // HeaderBlock keeps a bit for each

constexpr size_t Hash(std::string_view name) {
  const size_t n = name.size();
  return (n * 37 + static_cast<uint8_t>(name[0]) * 5 + static_cast<uint8_t>(name[n - 1]) * 11 +
          static_cast<uint8_t>(name[n / 2]) * 23) %
         kSlots;
}

// Open addressing; built by the compiler.
constexpr std::array<uint8_t, kSlots> MakeTable() {
  std::array<uint8_t, kSlots> table{};
  for (size_t i = 1; i < kCount; ++i) {
    size_t slot = Hash(kNames[i]);
    while (table[slot] != 0) slot = (slot + 1) % kSlots;
    table[slot] = static_cast<uint8_t>(i);
  }
  return table;
}
constexpr std::array<uint8_t, kSlots> kTable = MakeTable();

}  // namespace

std::string_view Name(Known known) { return kNames[static_cast<size_t>(known)]; }

Known FindKnown(std::string_view lower_name) {
  if (lower_name.empty()) return Known::kOther;
  for (size_t slot = Hash(lower_name); kTable[slot] != 0; slot = (slot + 1) % kSlots) {
    if (kNames[kTable[slot]] == lower_name) return static_cast<Known>(kTable[slot]);
  }
  return Known::kOther;
}

}  // namespace meltemi::http
