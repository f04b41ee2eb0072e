// Goal: what is taken as an identity is spelled in one way only. Method: write it and compare.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ca/identity/identity.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto identity = meltemi::ca::ParseSpiffe(text);
  if (identity.ok() && identity->Uri() != text) abort();
  return 0;
}
