#include "bench/load/backend.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "l7/base/text.h"

namespace meltemi::load {

Chain MakeMessage(packet::PacketPool* pool, std::string_view head, uint64_t n) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz012345";
  Chain out;
  uint64_t made = 0;
  const uint64_t total = head.size() + n;
  while (made < total) {
    const auto size =
        static_cast<uint32_t>(std::min<uint64_t>(total - made, pool->allocation_max()));
    Slice piece = pool->Allocate(size);
    if (piece.empty()) return Chain();
    for (uint32_t i = 0; i < size; ++i, ++made) {
      piece.mutable_data()[i] = static_cast<uint8_t>(
          made < head.size() ? head[made] : kLetters[(made - head.size()) % kLetters.size()]);
    }
    out.Append(std::move(piece));
  }
  return out;
}

Backend::Backend(const BackendOptions& options, Stack* stack)
    : options_(options), stack_(stack), conns_(options.connections_max) {
  response_ = MakeMessage(stack->pool(),
                          Cat("HTTP/1.1 200 OK\r\nserver: meltemi-load\r\ncontent-type: text/plain"
                              "\r\ncontent-length: ",
                              options.response_bytes, "\r\n\r\n"),
                          options.response_bytes);
  CHECK(!response_.empty());
}

Backend::~Backend() {
  response_.Clear();
  handling_.clear();
}

bool Backend::Turn(Instant now) {
  bool busy = !stack_->events().empty();
  handling_.swap(stack_->events());
  for (tcp::TcpEvent& event : handling_) OnEvent(event, now);
  handling_.clear();
  while (!delayed_.empty() && delayed_.front().due <= now) {
    busy = true;
    const Delayed d = delayed_.front();
    delayed_.pop_front();
    if (Conn* conn = conns_.Find(d.conn)) {
      --conn->delayed;
      Answer(d.conn, d.close, now);
    }
  }
  return busy;
}

void Backend::OnEvent(tcp::TcpEvent& event, Instant now) {
  using Kind = tcp::TcpEvent::Kind;
  if (event.kind == Kind::kAccepted) return OnAccepted(event.id, now);
  const ConnId id = ConnId::FromBits(event.cookie);
  Conn* conn = conns_.Find(id);
  if (conn == nullptr || conn->tcp != event.id) return;
  switch (event.kind) {
    case Kind::kData:
      OnBytes(id, std::move(event.bytes), now);
      break;
    case Kind::kEof:
      stack_->Release(event.id, now);  // after what is still queued
      Drop(id);
      break;
    case Kind::kClosed:
      Drop(id);
      break;
    case Kind::kAccepted:
    case Kind::kConnected:
    case Kind::kConnectFailed:
    case Kind::kSendSpace:  // one response at a time and connection: the queue is bounded by it
      break;
  }
}

void Backend::OnAccepted(TcpId tcp, Instant now) {
  const ConnId id = conns_.Emplace();
  if (!id.valid()) return stack_->Abort(tcp, now);
  ++accepted_;
  conns_[id].tcp = tcp;
  stack_->SetCookie(tcp, id.bits());
  // Its first bytes may stand in the same batch, made before the cookie was known.
  for (tcp::TcpEvent& later : handling_) {
    if (later.id == tcp) later.cookie = id.bits();
  }
}

void Backend::OnBytes(ConnId id, Chain bytes, Instant now) {
  Conn& conn = conns_[id];
  const auto count = static_cast<uint32_t>(bytes.size());
  conn.in.Append(std::move(bytes));
  Message message;
  while (Conn* c = conns_.Find(id)) {
    const MessageReader::Result result = c->reader.Read(&c->in, &message);
    if (result == MessageReader::Result::kError) {
      ++bad_requests_;
      stack_->Abort(c->tcp, now);
      return Drop(id);
    }
    if (result == MessageReader::Result::kNeedMore) break;
    ++requests_;
    if (options_.response_delay.zero() || delayed_.size() >= kDelayedMax) {
      Answer(id, message.close, now);
    } else {
      ++c->delayed;
      delayed_.push_back({now + options_.response_delay, id, message.close});
    }
  }
  if (Conn* c = conns_.Find(id)) stack_->tcp().Consumed(c->tcp, count, now);
}

void Backend::Answer(ConnId id, bool close, Instant now) {
  const TcpId tcp = conns_[id].tcp;
  stack_->Send(tcp, response_.Share(0, response_.size()), now);
  if (!close) return;
  stack_->Release(tcp, now);
  Drop(id);
}

void Backend::Drop(ConnId id) { conns_.Erase(id); }

}  // namespace meltemi::load
