// Exchange: the calls of the stack's user, its events, and handshakes.
#include "absl/strings/str_cat.h"
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {
namespace {

const char* const kEventNames[] = {"accepted", "connected",  "connect failed", "data",
                                   "eof",      "send space", "closed"};
const char* const kErrorNames[] = {"",          ", refused",     ", reset",
                                   ", timeout", ", unreachable", ", no resources"};

}  // namespace

std::string EventName(TcpEvent::Kind kind, TcpError error) {
  return absl::StrCat(kEventNames[static_cast<int>(kind)], kErrorNames[static_cast<int>(error)]);
}

TcpId Exchange::Connect(Duration deadline) {
  const Instant at = deadline == Duration::Max() ? Instant::Never() : now_ + deadline;
  Note("  Connect");
  id_ = tcp_->Connect(tuple_, setup_.path, 7, at, now_);
  if (!id_.valid()) Fail("Connect was refused");
  Flush();
  return id_;
}

Chain Exchange::NextText(uint32_t bytes) {
  std::string text;
  for (uint32_t i = 0; i < bytes; ++i) text += ByteAt(queued_ + i);
  queued_ += bytes;
  Chain chain;
  CHECK(AppendCopy(&pool_, text, &chain));
  return chain;
}

void Exchange::Send(uint32_t bytes) {
  Note(absl::StrCat("  Send ", bytes));
  tcp_->Send(id_, NextText(bytes), now_);
  Flush();
}

void Exchange::SendCorked(uint32_t bytes) {
  Note(absl::StrCat("  SendCorked ", bytes));
  tcp_->SendCorked(id_, NextText(bytes), now_);
  Flush();
}

void Exchange::Uncork() {
  Note("  Uncork");
  tcp_->Uncork(id_);
  Flush();
}

void Exchange::SetKeepalive(const Keepalive& keepalive) {
  Note("  SetKeepalive");
  tcp_->SetKeepalive(id_, keepalive);
}

void Exchange::Finish() {
  Note("  Finish");
  tcp_->Finish(id_, now_);
  Flush();
}

void Exchange::Release() {
  Note("  Release");
  tcp_->Release(id_, now_);
  Flush();
}

void Exchange::Abort() {
  Note("  Abort");
  tcp_->Abort(id_, now_);
  Flush();
}

void Exchange::Consumed(uint32_t bytes) {
  Note(absl::StrCat("  Consumed ", bytes));
  tcp_->Consumed(id_, bytes, now_);
  Flush();
}

void Exchange::Icmp(uint32_t seq, bool hard, uint32_t mtu_or_zero) {
  Note(absl::StrCat("  ICMP about ", seq, hard ? " hard" : "", " mtu ", mtu_or_zero));
  tcp_->OnIcmp(tuple_.local, tuple_.remote, seq + our_isn_, hard, mtu_or_zero, now_, &raw_events_);
  Flush();
}

Exchange& Exchange::ExpectEvent(TcpEvent::Kind kind, TcpError error) {
  if (events_.empty()) {
    Fail("no event; expected " + EventName(kind, error));
    return *this;
  }
  const TcpEvent& got = events_.front();
  if (got.kind != kind || got.error != error) {
    Fail(absl::StrCat("expected ", EventName(kind, error), ", got ",
                      EventName(got.kind, got.error)));
  }
  events_.pop_front();
  return *this;
}

Exchange& Exchange::ExpectNoEvent() {
  for (const TcpEvent& e : events_) Fail("not expected: " + EventName(e.kind, e.error));
  events_.clear();
  return *this;
}

Exchange& Exchange::ExpectReceived(uint32_t bytes) {
  if (received_ != bytes) Fail(absl::StrCat("expected ", bytes, " bytes, received ", received_));
  return *this;
}

Exchange& Exchange::ExpectConnections(uint32_t count) {
  if (tcp_->conn_count() != count) {
    Fail(absl::StrCat("expected ", count, " connections, got ", tcp_->conn_count()));
  }
  return *this;
}

void Exchange::Accept(Packet syn, Duration rtt) {
  const uint32_t clock = syn.ts ? syn.ts->value : 0;
  const bool has_ts = syn.ts.has_value();
  Peer(std::move(syn));
  Expect(SynAck());
  if (!rtt.zero()) After(rtt);
  if (has_ts) PeerHasTimestamps(clock - static_cast<uint32_t>(now().nanos() / 1'000'000));
  Peer(conformance::Ack(1));
  ExpectEvent(Kind::kAccepted);
}

void Exchange::Open(Packet syn_ack, Duration rtt) {
  Connect();
  Expect(Syn());
  if (!rtt.zero()) After(rtt);
  Peer(std::move(syn_ack));
  Expect(conformance::Ack(1));
  ExpectEvent(Kind::kConnected);
}

void Exchange::PeerHasTimestamps(uint32_t clock) { peer_clock_ = clock; }

}  // namespace meltemi::tcp::conformance
