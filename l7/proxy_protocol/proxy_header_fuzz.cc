// Any bytes as a connection's first: no crash, cutting them changes no verdict but to "need more",
// and the addresses of a header come back from one that is written of them.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "l7/base/check.h"
#include "l7/base/heap_buffer_pool.h"
#include "l7/proxy_protocol/proxy_header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n) {
  using namespace meltemi;                  // NOLINT: a fuzz target is a file of its own
  using namespace meltemi::proxy_protocol;  // NOLINT
  HeapBufferPool pool(128 * 1024);
  const auto look = [&pool](std::string_view bytes, Header* header) {
    Chain chain;
    CHECK(AppendCopy(&pool, bytes, &chain));
    return PeekHeader(chain, header);
  };
  const std::string_view bytes(reinterpret_cast<const char*>(data), n);
  Header header;
  const Peek peek = look(bytes, &header);
  Header early;
  const Peek cut = look(bytes.substr(0, n / 2), &early);
  CHECK(cut == peek || cut == Peek::kNeedMore);
  if (peek != Peek::kHeader) return 0;
  CHECK(header.size <= n);
  std::optional<Addresses> want = header.addresses;
  if (want.has_value() && want->source.ip.v4() != want->destination.ip.v4()) want.reset();
  for (const Version version : {Version::kV1, Version::kV2}) {
    const std::string again = Write(version, header.addresses);
    Header read;
    CHECK(look(again, &read) == Peek::kHeader);
    CHECK(read.size == again.size() && read.addresses == want);
  }
  return 0;
}
