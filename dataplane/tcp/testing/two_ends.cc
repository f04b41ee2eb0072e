#include "dataplane/tcp/testing/two_ends.h"

#include <algorithm>

#include "dataplane/tcp/segment.h"

namespace meltemi::tcp::testing {
namespace {

const SockAddr kClient{*IpAddr::Parse("10.0.0.1"), 40'000};
const SockAddr kServer{*IpAddr::Parse("10.0.0.2"), 80};
constexpr size_t kWritePiece = 30'000;

TcpOptions OptionsOf(uint64_t seed) {
  TcpOptions o;
  o.conn_count_max = 64;
  o.isn_key[0] = static_cast<uint8_t>(seed);
  o.time_wait = Duration::Seconds(60);
  return o;
}

}  // namespace

End::End(packet::PacketPool* pool, uint64_t seed, Instant now)
    : timers(now), prng(seed), tcp(OptionsOf(seed), pool, &timers, &prng, now) {}

TwoEnds::TwoEnds(const WireOptions& wire, uint64_t seed)
    : TwoEnds(wire, seed, std::make_unique<packet::HeapPacketPool>()) {}

TwoEnds::TwoEnds(const WireOptions& wire, uint64_t seed,
                 std::unique_ptr<packet::HeapPacketPool> pool)
    : pool_(std::move(pool)),
      client(pool_.get(), seed * 2 + 1, Instant()),
      server(pool_.get(), seed * 2 + 2, Instant()),
      wire_(wire),
      prng_(seed) {}

TwoEnds::~TwoEnds() {
  for (InFlight& f : flying_) pool_->Free(f.packet);
}

bool TwoEnds::Run(const std::string& to_server, const std::string& to_client, Duration limit) {
  const Path path{.mtu = wire_.mtu, .super_frame_bytes_max = wire_.super_frame_bytes_max};
  client.to_send = to_server;
  server.to_send = to_client;
  const Instant end = now + limit;
  client.id = client.tcp.Connect({kClient, kServer}, path, 0, Instant::Never(), now);
  while (now < end && !(client.closed && server.closed)) {
    Deliver();
    for (End* e : {&client, &server}) {
      for (const SegmentIn& in : e->unmatched) {
        if (e == &server) {
          e->tcp.Accept(in, path, now);
        } else {
          e->tcp.Reject(in, now);
        }
      }
      e->unmatched.clear();
      e->timers.Advance(now, [&](Timer& t) { e->tcp.OnTimer(t, now, &e->events); });
      Handle(e);
    }
    Step(&client, true);
    Step(&server, false);
    client.tcp.CheckInvariants();
    server.tcp.CheckInvariants();
    const Instant next = NextAt();
    if (next.never()) break;
    now = std::max(now + Duration::Micros(1), next);
  }
  return client.closed && server.closed && client.error == TcpError::kNone &&
         server.error == TcpError::kNone;
}

void TwoEnds::Handle(End* e) {
  std::vector<TcpEvent> events;
  events.swap(e->events);
  for (TcpEvent& event : events) {
    switch (event.kind) {
      case TcpEvent::Kind::kAccepted:
        e->id = event.id;
        e->connected = true;
        break;
      case TcpEvent::Kind::kConnected:
        e->connected = true;
        break;
      case TcpEvent::Kind::kData:
        e->received += event.bytes.ToString();
        e->tcp.Consumed(e->id, static_cast<uint32_t>(event.bytes.size()), now);
        break;
      case TcpEvent::Kind::kEof:
        e->eof = true;
        break;
      case TcpEvent::Kind::kSendSpace:
        e->writable = true;
        break;
      case TcpEvent::Kind::kConnectFailed:
      case TcpEvent::Kind::kClosed:
        e->closed = true;
        e->error = event.error;
        break;
    }
  }
  if (!e->connected || e->closed || e->finish_sent) return;
  while (e->writable && !e->to_send.empty()) {
    Chain piece;
    const size_t n = std::min(kWritePiece, e->to_send.size());
    CHECK(AppendCopy(pool_.get(), std::string_view(e->to_send).substr(0, n), &piece));
    e->to_send.erase(0, n);
    e->writable = e->tcp.Send(e->id, std::move(piece), now);
  }
  if (e->to_send.empty()) {
    e->tcp.Finish(e->id, now);
    e->finish_sent = true;
  }
}

void TwoEnds::Step(End* from, bool to_server) {
  std::vector<SegmentOut> out;
  from->tcp.Transmit(now, 64, &out);
  for (SegmentOut& o : out) Put(o.packet, to_server);
}

void TwoEnds::Put(packet::Packet* p, bool to_server) {
  ++packets;
  trace_hash = trace_hash * 1'000'003 + static_cast<uint64_t>(now.nanos()) + p->pkt_len * 7 +
               PacketSum(p) * 13;
  if (prng_.Chance(wire_.loss_per_mille, 1000)) return pool_->Free(p);
  packet::Packet* copy = pool_->CopyLinear(p);
  if (copy == nullptr) copy = pool_->CopyChain(p);  // a super-frame
  CHECK(copy != nullptr);
  pool_->Free(p);
  if (copy->nb_segs == 1) {
    // The port completes the checksum.
    uint8_t* field = packet::Data(copy) + 16;
    const auto sum = static_cast<uint16_t>(~PacketSum(copy));
    field[0] = static_cast<uint8_t>(sum >> 8);
    field[1] = static_cast<uint8_t>(sum);
    if (prng_.Chance(wire_.corrupt_per_mille, 1000)) {
      packet::Data(copy)[prng_.Below(copy->data_len)] ^= static_cast<uint8_t>(1 + prng_.Below(255));
    }
    if (prng_.Chance(wire_.duplicate_per_mille, 1000)) {
      flying_.push_back(
          {now + wire_.delay * 2, order_++, to_server, pool_->CopyLinear(copy), {}, {}});
    }
  }
  Duration delay = wire_.delay;
  if (prng_.Chance(wire_.reorder_per_mille, 1000)) delay = delay + wire_.reorder_delay;
  flying_.push_back({now + delay, order_++, to_server, copy, {}, {}});
}

void TwoEnds::Deliver() {
  std::sort(flying_.begin(), flying_.end(), [](const InFlight& a, const InFlight& b) {
    return a.at != b.at ? a.at < b.at : a.order < b.order;
  });
  std::vector<SegmentIn> to_client, to_server;
  size_t n = 0;
  for (; n < flying_.size() && flying_[n].at <= now; ++n) {
    const bool s = flying_[n].to_server;
    const bool trusted = flying_[n].packet->nb_segs > 1;
    (s ? to_server : to_client)
        .push_back({.packet = flying_[n].packet,
                    .source = s ? kClient : kServer,
                    .destination = s ? kServer : kClient,
                    .checksum_trusted = trusted});
  }
  flying_.erase(flying_.begin(), flying_.begin() + static_cast<ptrdiff_t>(n));
  client.tcp.Receive(to_client, now, &client.events, &client.unmatched);
  server.tcp.Receive(to_server, now, &server.events, &server.unmatched);
}

Instant TwoEnds::NextAt() {
  Instant next = std::min(client.timers.NextDeadline(), server.timers.NextDeadline());
  for (const InFlight& f : flying_) next = std::min(next, f.at);
  if (client.tcp.transmit_pending() || server.tcp.transmit_pending()) next = now;
  return next;
}

}  // namespace meltemi::tcp::testing
