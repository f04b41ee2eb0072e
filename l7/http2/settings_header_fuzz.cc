// HTTP2-Settings of whoever likes: what is taken is whole settings, and a session that begins with
// them works or says why not.
#include <cstdint>
#include <string>
#include <string_view>

#include "l7/base/check.h"
#include "l7/base/heap_buffer_pool.h"
#include "l7/http2/frame.h"
#include "l7/http2/session.h"
#include "l7/http2/upgrade.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace meltemi;
  std::string payload;
  if (!http2::DecodeSettingsHeader({reinterpret_cast<const char*>(data), size}, &payload)) return 0;
  CHECK(payload.size() % http2::kSettingBytes == 0);
  CHECK(payload.size() <= size_t{http2::kSettingsMax} * http2::kSettingBytes);
  HeapBufferPool pool;
  http2::HpackMemory memory;
  http2::Session session({.role = http2::Role::kServer}, &memory, &pool);
  const bool ok = session.BeginUpgraded(payload, Instant());
  CHECK(ok == !session.failed());
  if (ok) {
    const http::HeaderBlock none(&pool);
    CHECK(session.SendResponse(1, 204, none, true));
    CHECK(session.stream_count() == 0);
  }
  Chain out = session.TakeOutput(1 << 16);
  CHECK(!out.empty());
  return 0;
}
