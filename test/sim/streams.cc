#include "test/sim/streams.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "l7/base/text.h"

namespace meltemi::sim {
namespace {

constexpr Duration kConnectTimeout = Duration::Seconds(60);
constexpr size_t kHeadBytes = sizeof(uint64_t);  // a stream begins with its number
constexpr size_t kPieceBytes = 16'000;
constexpr size_t kErrorsMax = 20;

uint64_t UpKey(uint64_t id) { return id * 2 + 1; }
uint64_t DownKey(uint64_t id) { return id * 2 + 2; }

// The byte at `offset` of a stream: one that is lost, doubled or from elsewhere does not fit.
char ByteAt(uint64_t key, size_t offset) {
  return static_cast<char>((key * 0xd1342543de82ef95 + offset * 0x9e3779b97f4a7c15) >> 56);
}

// Of every order of magnitude up to `max`.
size_t DrawBytes(Prng* prng, size_t max) {
  size_t scale = 1;
  while (scale < max && prng->Chance(4, 5)) scale *= 4;
  return prng->Below(std::min(scale, max) + 1);
}

}  // namespace

StreamPlan StreamPlanOf(uint64_t id, const StreamShape& shape) {
  Prng prng(id ^ 0x57e3a);
  StreamPlan plan;
  plan.up_bytes = DrawBytes(&prng, shape.bytes_max);
  plan.down_bytes = DrawBytes(&prng, shape.bytes_max);
  plan.half_close = prng.Chance(shape.half_close_percent, 100);
  plan.client_slow = prng.Chance(shape.slow_percent, 100);
  plan.server_slow = prng.Chance(shape.slow_percent, 100);
  if (prng.Chance(shape.reset_percent, 100)) {
    plan.reset = prng.Chance(1, 2) ? StreamPlan::Reset::kClient : StreamPlan::Reset::kServer;
    plan.reset_after = Duration::Micros(static_cast<int64_t>(prng.Below(20'000)));
  }
  return plan;
}

void StreamEnd::WillSend(uint64_t key, size_t bytes, std::string_view before) {
  out_key_ = key;
  to_send_ = bytes;
  before_ = before;
}

void StreamEnd::Pump(Host& host, Instant now) {
  while (writable_ && !sent_all()) {
    std::string piece = std::exchange(before_, {});
    const size_t n = std::min(kPieceBytes, to_send_ - sent_);
    for (size_t i = 0; i < n; ++i) piece.push_back(ByteAt(out_key_, sent_ + i));
    sent_ += n;
    writable_ = host.Send(tcp_, piece, now);
  }
}

bool StreamEnd::Receive(Host& host, std::string_view bytes, Instant now) {
  for (const char byte : bytes) {
    if (received_ == to_receive_ || byte != ByteAt(in_key_, received_)) return false;
    ++received_;
  }
  if (!slow_) {
    host.tcp().Consumed(tcp_, static_cast<uint32_t>(bytes.size()), now);
    return true;
  }
  if (unread_ == 0) read_at_ = now + shape_.slow_pause;
  unread_ += bytes.size();
  return true;
}

Instant StreamEnd::Read(Host& host, Instant now) {
  if (unread_ == 0) return Instant::Never();
  if (read_at_ <= now) {
    const size_t n = std::min(unread_, shape_.slow_bytes);
    host.tcp().Consumed(tcp_, static_cast<uint32_t>(n), now);
    unread_ -= n;
    read_at_ = now + shape_.slow_pause;
  }
  return unread_ == 0 ? Instant::Never() : read_at_;
}

void StreamEnd::Finish(Host& host, Instant now) {
  if (finished_) return;
  finished_ = true;
  host.Finish(tcp_, now);
}

StreamClient::StreamClient(const StreamClientOptions& options, Instant now)
    : options_(options),
      prng_(options.seed),
      slots_(options.connection_count),
      outcomes_(options.stream_count) {
  for (Slot& slot : slots_) {
    slot.ready_at = now + Duration::Nanos(static_cast<int64_t>(
                              prng_.Below(static_cast<uint64_t>(options.spread.nanos()) + 1)));
  }
}

void StreamClient::Begin(Host& host, size_t index, Instant now) {
  Slot& slot = slots_[index];
  const uint64_t id = options_.first_id + next_;
  const SockAddr& service = options_.services[next_ % options_.services.size()];
  // The cookie is the stream's number and its slot: what an earlier one left is told apart.
  const uint64_t cookie = next_ << 16 | index;
  const TcpId tcp = host.Connect(service, cookie, now + kConnectTimeout, now);
  if (!tcp.valid()) {
    slot.ready_at = now + Duration::Millis(10);
    return;
  }
  ++next_;
  slot = Slot{.busy = true, .id = id, .plan = StreamPlanOf(id, options_.shape)};
  slot.end.Open(tcp, options_.shape, slot.plan.client_slow);
  char head[kHeadBytes];
  std::memcpy(head, &id, kHeadBytes);
  slot.end.WillSend(UpKey(id), slot.plan.up_bytes, {head, kHeadBytes});
  slot.end.WillReceive(DownKey(id), slot.plan.down_bytes);
  At(id).begun = now;
}

void StreamClient::OnEvent(Host& host, tcp::TcpEvent& event, Instant now) {
  using Kind = tcp::TcpEvent::Kind;
  Slot& slot = slots_[event.cookie & 0xffff];
  if (!slot.busy || slot.end.tcp() != event.id) return;  // an earlier stream's
  switch (event.kind) {
    case Kind::kAccepted:
      break;
    case Kind::kConnected:
      slot.open = true;
      At(slot.id).connected = true;
      if (slot.plan.reset == StreamPlan::Reset::kClient) {
        slot.reset_at = now + slot.plan.reset_after;
      }
      break;
    case Kind::kData:
      if (!slot.end.Receive(host, event.bytes.ToString(), now) && errors_.size() < kErrorsMax) {
        errors_.push_back(Cat("stream ", slot.id, ": a wrong byte behind ", slot.end.received()));
      }
      break;
    case Kind::kEof:
      slot.eof = true;
      break;
    case Kind::kSendSpace:
      slot.end.SetWritable();
      break;
    case Kind::kConnectFailed:
    case Kind::kClosed:
      End(&slot, event.error, now);
      break;
  }
}

void StreamClient::End(Slot* slot, tcp::TcpError error, Instant now) {
  StreamOutcome& outcome = At(slot->id);
  outcome.over = true;
  outcome.error = error;
  outcome.received = slot->end.received();
  outcome.whole = slot->eof && slot->end.received_all() && error == tcp::TcpError::kNone;
  outcome.ended = now;
  slot->busy = slot->open = false;
  slot->ready_at = now + Duration::Millis(1);
  ++over_;
}

Instant StreamClient::Drive(Host& host, Slot* slot, Instant now) {
  if (slot->reset_at <= now) {
    host.Abort(slot->end.tcp(), now);
    At(slot->id).reset_by_us = true;
    End(slot, tcp::TcpError::kReset, now);
    return slot->ready_at;
  }
  slot->end.Pump(host, now);
  if (slot->end.sent_all() && (slot->plan.half_close || slot->eof)) slot->end.Finish(host, now);
  return std::min(slot->reset_at, slot->end.Read(host, now));
}

Instant StreamClient::OnTurn(Host& host, Instant now) {
  Instant next = Instant::Never();
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (!slot.busy && next_ < options_.stream_count && slot.ready_at <= now) Begin(host, i, now);
    if (slot.open) {
      next = std::min(next, Drive(host, &slot, now));
    } else if (!slot.busy && next_ < options_.stream_count) {
      next = std::min(next, slot.ready_at);
    }
  }
  return next;
}

void StreamServer::OnEvent(Host& host, tcp::TcpEvent& event, Instant now) {
  using Kind = tcp::TcpEvent::Kind;
  if (event.kind == Kind::kAccepted) {
    conns_[event.id.bits()];
    return;
  }
  const auto found = conns_.find(event.id.bits());
  if (found == conns_.end()) return;
  Conn& conn = found->second;
  switch (event.kind) {
    case Kind::kAccepted:
    case Kind::kConnected:
    case Kind::kConnectFailed:
      break;
    case Kind::kData:
      OnData(host, event.id, &conn, event.bytes.ToString(), now);
      break;
    case Kind::kEof:
      OnEof(&conn);
      break;
    case Kind::kSendSpace:
      conn.end.SetWritable();
      break;
    case Kind::kClosed:
      conns_.erase(found);
      break;
  }
}

void StreamServer::OnData(Host& host, TcpId id, Conn* conn, std::string bytes, Instant now) {
  if (!conn->known) {
    const size_t n = std::min(bytes.size(), kHeadBytes - conn->head.size());
    conn->head.append(bytes, 0, n);
    bytes.erase(0, n);
    host.tcp().Consumed(id, static_cast<uint32_t>(n), now);
    if (conn->head.size() == kHeadBytes) Know(conn, id, now);
  }
  if (bytes.empty()) return;
  if (!conn->end.Receive(host, bytes, now) && errors_.size() < kErrorsMax) {
    errors_.push_back(
        Cat(options_.name, ": stream ", conn->id, ": a wrong byte behind ", conn->end.received()));
  }
}

void StreamServer::Know(Conn* conn, TcpId tcp, Instant now) {
  conn->known = true;
  std::memcpy(&conn->id, conn->head.data(), kHeadBytes);
  conn->plan = StreamPlanOf(conn->id, options_.shape);
  conn->end.Open(tcp, options_.shape, conn->plan.server_slow);
  conn->end.WillSend(DownKey(conn->id), conn->plan.down_bytes);
  conn->end.WillReceive(UpKey(conn->id), conn->plan.up_bytes);
  if (conn->plan.reset == StreamPlan::Reset::kServer) conn->reset_at = now + conn->plan.reset_after;
}

void StreamServer::OnEof(Conn* conn) {
  conn->eof = true;
  if (!conn->known) return;
  if (conn->end.received_all()) {
    ++whole_count_;
  } else if (errors_.size() < kErrorsMax) {
    errors_.push_back(Cat(options_.name, ": stream ", conn->id, " ended at byte ",
                          conn->end.received(), " of ", conn->plan.up_bytes));
  }
}

Instant StreamServer::OnTurn(Host& host, Instant now) {
  Instant next = Instant::Never();
  for (auto it = conns_.begin(); it != conns_.end();) {
    auto& [bits, conn] = *it;
    if (conn.reset_at <= now) {
      host.Abort(TcpId::FromBits(bits), now);
      it = conns_.erase(it);
      continue;
    }
    if (conn.known && (conn.eof || !conn.plan.half_close)) {
      conn.end.Pump(host, now);
      if (conn.end.sent_all()) conn.end.Finish(host, now);
    } else if (conn.eof && !conn.end.finished()) {  // its client said nothing
      conn.end.Open(TcpId::FromBits(bits), options_.shape, false);
      conn.end.Finish(host, now);
    }
    next = std::min({next, conn.reset_at, conn.end.Read(host, now)});
    ++it;
  }
  return next;
}

}  // namespace meltemi::sim
