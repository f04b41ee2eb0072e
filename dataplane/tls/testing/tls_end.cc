#include "dataplane/tls/testing/tls_end.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace meltemi::tls {

TlsOptions TestOptions() {
  TlsOptions options;
  options.wall_clock.offset_nanos = kTestNow * 1'000'000'000;
  options.session_count_max = 64;
  return options;
}

TlsEnd::TlsEnd(const TlsOptions& options, uint32_t allocation_max)
    : pool(allocation_max), timers(now), tls(options, &pool, &timers, &runner, now) {}

Chain TlsEnd::Bytes(std::string_view bytes, uint32_t slice_bytes) {
  const size_t piece = slice_bytes == 0 ? pool.allocation_max() : slice_bytes;
  Chain chain;
  while (!bytes.empty()) {
    const size_t n = std::min(piece, bytes.size());
    CHECK(AppendCopy(&pool, bytes.substr(0, n), &chain));
    bytes.remove_prefix(n);
  }
  return chain;
}

void TlsEnd::Receive(std::string_view ciphertext, uint32_t slice_bytes) {
  std::vector<TlsEvent> events;
  tls.Receive(id, Bytes(ciphertext, slice_bytes), now, &events);
  Note(&events);
}

void TlsEnd::Eof() {
  std::vector<TlsEvent> events;
  tls.OnEof(id, now, &events);
  Note(&events);
}

void TlsEnd::Poll() {
  std::vector<TlsEvent> events;
  tls.Poll(now, &events);
  Note(&events);
}

void TlsEnd::Advance(Duration duration) {
  now = now + duration;
  std::vector<TlsEvent> events;
  timers.Advance(now, [&](Timer& timer) { tls.OnTimer(timer, now, &events); });
  Note(&events);
}

bool TlsEnd::Send(std::string_view plain) {
  Chain records;
  const bool sent = tls.Seal(id, Bytes(plain), &records);
  seen.to_peer += records.ToString();
  return sent;
}

void TlsEnd::Close() {
  Chain records;
  tls.Close(id, &records);
  seen.to_peer += records.ToString();
}

void TlsEnd::UpdateKeys(Tls::RequestPeer request) {
  Chain records;
  tls.UpdateKeys(id, request, &records);
  seen.to_peer += records.ToString();
}

void TlsEnd::Again() {
  tls.Release(id);
  id = TlsId{};
  seen = Seen{};
}

void TlsEnd::Note(std::vector<TlsEvent>* events) {
  for (TlsEvent& event : *events) {
    if (event.id != id) continue;
    CHECK(event.cookie == 7);
    switch (event.kind) {
      case TlsEvent::Kind::kWrite:
        seen.to_peer += event.bytes.ToString();
        break;
      case TlsEvent::Kind::kHandshakeDone:
        seen.info = std::move(event.info);
        break;
      case TlsEvent::Kind::kPlain:
        seen.plain += event.bytes.ToString();
        break;
      case TlsEvent::Kind::kCloseNotify:
        ++seen.close_notifies;
        break;
      case TlsEvent::Kind::kTruncated:
        ++seen.truncations;
        break;
      case TlsEvent::Kind::kError:
        seen.error = event.error;
        seen.alert = event.alert;
        seen.detail = event.detail;
        break;
    }
  }
  events->clear();
}

void Pump(TlsEnd* a, TlsEnd* b) {
  for (int round = 0; round < 1000; ++round) {
    a->Poll();
    b->Poll();
    const std::string to_b = a->Take();
    const std::string to_a = b->Take();
    if (to_b.empty() && to_a.empty() && a->runner.waiting() + b->runner.waiting() == 0) return;
    if (!to_b.empty()) b->Receive(to_b);
    if (!to_a.empty()) a->Receive(to_a);
  }
  CHECK(false);
}

}  // namespace meltemi::tls
