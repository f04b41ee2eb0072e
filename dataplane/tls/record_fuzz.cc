// A session of our record layer and a peer that has its keys and sends anything: well-sealed
// records with any inner plaintext, altered ones, raw bytes, in any pieces, while the session
// seals, changes keys and closes. Nothing crashes, what the session sends always opens, no buffer
// is lost.
//
// Input: a byte of set-up (bit 0: client, bit 1: AES-256, bits 2-4: slice size), then steps: kind
// (1 byte), length (1 byte; times 64 in kLong), content.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataplane/tls/testing/certificates.h"
#include "dataplane/tls/testing/crafted_peer.h"
#include "dataplane/tls/tls.h"
#include "l7/base/check.h"
#include "l7/base/heap_buffer_pool.h"

namespace meltemi::tls {
namespace {

constexpr std::array<uint8_t, 48> kToEnd = {1}, kFromEnd = {2};
constexpr std::array<uint32_t, 8> kSlices = {16'384, 1, 2, 7, 21, 64, 100, 1448};

// Every handshake is done at once, with these secrets.
class InstantHandshakes final : public HandshakeRunner {
 public:
  ~InstantHandshakes() override = default;
  bool Submit(std::unique_ptr<Handshake>& handshake) override {
    done_ = Handshake::MakeDone(handshake->id(), suite, kToEnd, kFromEnd);
    handshake.reset();
    return true;
  }
  std::unique_ptr<Handshake> Take() override { return std::move(done_); }
  Suite suite = Suite::kAes128GcmSha256;

 private:
  std::unique_ptr<Handshake> done_;
};

// What is costly to make, once for all inputs: contexts, and ipsec-mb's tables inside Tls.
struct Stage {
  TestAuthority root{"root"};
  ContextRef server = *MakeServerContext(
      {.common = {.verify = VerifyPeer::kNo}, .certificates = {{{}, root.IssueSpiffe("a")}}});
  ContextRef client = *MakeClientContext({.common = {.verify = VerifyPeer::kNo}});
  HeapBufferPool pool{16'384};
  TimerWheel timers{Instant()};
  InstantHandshakes runner;
  Tls tls;
  Stage() : tls(Options(), &pool, &timers, &runner, Instant()) {}
  static TlsOptions Options() {
    TlsOptions options;
    options.session_count_max = 4;
    options.records_per_key_max = 8;
    options.expanded_key_count_max = 1;
    return options;
  }
};

class Run {
 public:
  Run(Stage* stage, uint8_t set_up)
      : stage_(*stage),
        slice_(kSlices[set_up >> 2 & 7]),
        suite_(set_up & 2 ? Suite::kAes256GcmSha384 : Suite::kAes128GcmSha256),
        peer_(suite_, kFromEnd, kToEnd) {
    stage_.runner.suite = suite_;
    std::vector<TlsEvent> events;
    if (set_up & 1) {
      id_ = stage_.tls.Connect(stage_.client, {}, 0, Instant());
    } else {
      id_ = stage_.tls.Accept(stage_.server, 0, Instant());
      stage_.tls.Receive(id_, Bytes("x"), Instant(), &events);
    }
    stage_.tls.Poll(Instant(), &events);
    CHECK(events.size() == 1 && events[0].kind == TlsEvent::Kind::kHandshakeDone);
  }
  ~Run() {
    stage_.tls.Release(id_);
    CHECK(stage_.tls.session_count() == 0 && stage_.tls.handshakes_in_flight() == 0);
  }

  void Step(uint8_t kind, std::string_view content) {
    const bool is_long = kind & 8;
    std::string inner(content);
    if (is_long) inner.resize(content.size() * 64, 'l');
    switch (kind & 7) {
      case 0:
        return Receive(inner);
      case 1:
      case 2:
        return SealAndReceive(inner);
      case 3: {  // altered at a place the content chooses
        std::string record = peer_.SealInner(inner + '\x17');
        record[inner.size() % record.size()] ^= 4;
        return Receive(record);
      }
      case 4: {
        Chain records;
        CHECK(stage_.tls.Seal(id_, Bytes(inner), &records));
        return Open(records);
      }
      case 5: {
        Chain records;
        stage_.tls.UpdateKeys(id_, Tls::RequestPeer::kNo, &records);
        return Open(records);
      }
      case 6: {
        if (!content.empty()) return SealAndReceive(inner + '\x16');
        Chain records;
        stage_.tls.Close(id_, &records);
        return Open(records);
      }
      default: {
        if (!content.empty()) return SealAndReceive(inner + '\x17');
        std::vector<TlsEvent> events;
        stage_.tls.OnEof(id_, Instant(), &events);
        return Note(&events);
      }
    }
  }

 private:
  Chain Bytes(std::string_view bytes) {
    Chain chain;
    for (; !bytes.empty(); bytes.remove_prefix(std::min<size_t>(slice_, bytes.size()))) {
      CHECK(AppendCopy(&stage_.pool, bytes.substr(0, slice_), &chain));
    }
    return chain;
  }
  // The inner plaintext is the input's own; an honest KeyUpdate changes the key.
  void SealAndReceive(std::string inner) {
    if (inner.size() > 16'385) inner.resize(16'385);
    if (inner.empty()) inner = '\x17';
    const std::string record = peer_.SealInner(inner);
    if (inner.size() == 6 && inner.substr(0, 4) == std::string("\x18\0\0\x01", 4) &&
        inner[5] == '\x16') {
      peer_.UpdateWriteKey();
    }
    Receive(record);
  }
  void Receive(std::string_view bytes) {
    std::vector<TlsEvent> events;
    stage_.tls.Receive(id_, Bytes(bytes), Instant(), &events);
    Note(&events);
  }
  void Note(std::vector<TlsEvent>* events) {
    for (const TlsEvent& event : *events) {
      CHECK(!dead_ && event.id == id_);
      CHECK(event.kind != TlsEvent::Kind::kPlain || (!event.bytes.empty() && !eof_));
      if (event.kind == TlsEvent::Kind::kWrite) Open(event.bytes);
      eof_ |=
          event.kind == TlsEvent::Kind::kCloseNotify || event.kind == TlsEvent::Kind::kTruncated;
      dead_ |= event.kind == TlsEvent::Kind::kError;
    }
  }
  // Record by record, since a KeyUpdate changes the key of the next.
  void Open(const Chain& records) {
    std::string bytes = records.ToString();
    while (!bytes.empty()) {
      CHECK(bytes.size() >= 5);
      const size_t n =
          5 + (size_t{static_cast<uint8_t>(bytes[3])} << 8 | static_cast<uint8_t>(bytes[4]));
      const auto opened = peer_.Open(bytes.substr(0, n));
      CHECK(opened.size() == 1);
      if (opened[0].first == ContentType::kHandshake) peer_.UpdateReadKey();
      bytes.erase(0, n);
    }
  }

  Stage& stage_;
  const uint32_t slice_;
  const Suite suite_;
  CraftedPeer peer_;
  TlsId id_;
  bool dead_ = false, eof_ = false;
};

void Fuzz(const uint8_t* data, size_t n) {
  static Stage stage;
  if (n == 0) return;
  Run run(&stage, data[0]);
  ++data, --n;
  while (n >= 2) {
    const uint8_t kind = data[0];
    const size_t size = std::min<size_t>(data[1], n - 2);
    run.Step(kind, {reinterpret_cast<const char*>(data + 2), size});
    data += 2 + size;
    n -= 2 + size;
  }
}

}  // namespace
}  // namespace meltemi::tls

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n) {
  meltemi::tls::Fuzz(data, n);
  return 0;
}
