// Any bytes as a connection's first: no crash, and cutting them changes no verdict but to "need
// more" (what is there is read the same however much follows).
#include <cstddef>
#include <cstdint>
#include <string>

#include "dataplane/tls/client_hello.h"
#include "l7/base/check.h"
#include "l7/base/heap_buffer_pool.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n) {
  using namespace meltemi;  // NOLINT: a fuzz target is a file of its own
  HeapBufferPool pool(128 * 1024);
  const std::string_view bytes(reinterpret_cast<const char*>(data), n);
  Chain whole, half;
  CHECK(AppendCopy(&pool, bytes, &whole));
  CHECK(AppendCopy(&pool, bytes.substr(0, n / 2), &half));
  tls::ClientHello a, b;
  const tls::Peek peek = tls::PeekClientHello(whole, &a);
  const tls::Peek early = tls::PeekClientHello(half, &b);
  CHECK(early == peek || early == tls::Peek::kNeedMore);
  if (early == tls::Peek::kClientHello) CHECK(a.sni == b.sni && a.alpn == b.alpn);
  if (peek != tls::Peek::kClientHello) CHECK(a.sni.empty() && a.alpn.empty());
  return 0;
}
