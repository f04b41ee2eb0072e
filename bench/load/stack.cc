#include "bench/load/stack.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "l7/base/limits.h"

namespace meltemi::load {
namespace {

constexpr ip::PortId kPort = 0;
constexpr int kBurstsPerTurn = 4;
constexpr int kSegmentsPerTurn = 256;
// Not only the ephemeral range: connections per second want many tuples.
constexpr uint32_t kSourcePortFirst = 1024;
constexpr uint32_t kSourcePortCount = 65'536 - kSourcePortFirst;
constexpr int kSourceTries = 1024;

IpPrefix NetworkOf(const IpAddr& address, uint8_t bits) {
  std::array<uint8_t, 16> bytes = address.bytes();
  const int kept = address.v4() ? 96 + bits : bits;
  for (int i = 0; i < 128; ++i) {
    if (i >= kept) bytes[i / 8] = static_cast<uint8_t>(bytes[i / 8] & ~(0x80 >> (i % 8)));
  }
  return {address.v4() ? IpAddr::V4(bytes.data() + 12) : IpAddr::V6(bytes.data()), bits};
}

ip::PortOptions IpOptionsOf(const StackOptions& options, const nic::PortCaps& caps) {
  ip::PortOptions o;
  o.kind = ip::PortKind::kUplink;
  o.mac = options.mac;
  o.mtu = options.mtu;
  o.own = options.addresses;
  o.addresses.push_back(NetworkOf(options.addresses.front(), options.prefix_bits));
  o.tx_checksum = caps.tx_checksum;
  o.tx_segmentation = caps.tx_segmentation;
  o.super_frame_bytes_max = caps.super_frame_bytes_max;
  o.segment_bytes_min = caps.segment_bytes_min;
  return o;
}

}  // namespace

Stack::Stack(const StackOptions& options, nic::Port* port, packet::PacketPool* pool, Instant now)
    : options_(options),
      port_(port),
      pool_(pool),
      prng_(options.seed),
      timers_(now),
      ip_(pool, &timers_, &prng_),
      tcp_(options.tcp, pool, &timers_, &prng_, now) {
  CHECK(!options.addresses.empty());
  const ip::PortOptions ip_options = IpOptionsOf(options, port->caps());
  ip_.AddPort(kPort, ip_options);
  std::vector<ip::Route> routes = {
      {.prefix = ip_options.addresses.front(), .port = kPort, .via = std::nullopt}};
  if (options.gateway) {
    routes.push_back({.prefix = {options.gateway->v4() ? IpAddr::V4(0u) : IpAddr(), 0},
                      .port = kPort,
                      .via = options.gateway});
  }
  ip_.SetRoutes(std::move(routes));
}

Stack::~Stack() {
  events_.clear();
  for (packet::Packet* p : ip_.tx(kPort)) pool_->Free(p);
  ip_.tx(kPort).clear();
  port_->LetGo(0, *pool_);
}

bool Stack::Receive(Instant now) {
  busy_ = false;
  std::vector<tcp::TcpEvent> told;  // not taken yet, and no TLS in it any more
  if (tls_ != nullptr) told.swap(events_);
  TakePackets(now);
  ip_.Receive(rx_, now, &segments_);
  tcp_in_.clear();
  for (uint32_t i = 0; i < segments_.size(); ++i) {
    const ip::Segment& s = segments_[i];
    tcp_in_.push_back({.packet = s.packet,
                       .source = s.source,
                       .destination = s.destination,
                       .ecn = s.ecn,
                       .checksum_trusted = s.checksum_trusted,
                       .tag = i});
  }
  tcp_.Receive(tcp_in_, now, &events_, &unmatched_);
  DecideUnmatched(now);
  for (const ip::IcmpError& error : ip_.icmp_errors()) {
    const bool hard = error.kind == ip::IcmpError::Kind::kUnreachable;
    tcp_.OnIcmp(error.local, error.remote, error.sequence, hard, error.mtu, now, &events_);
  }
  ip_.icmp_errors().clear();
  ip_.learned().clear();
  FireTimers(now);
  if (tls_ != nullptr) {
    busy_ |= tls_->due();
    tls_->Translate(now, &events_);
    if (!told.empty()) {
      told.insert(told.end(), std::move_iterator(events_.begin()),
                  std::move_iterator(events_.end()));
      events_ = std::move(told);
    }
  }
  return busy_;
}

void Stack::TakePackets(Instant now) {
  (void)now;
  rx_.clear();
  std::array<packet::Packet*, limits::kRxBurst> burst;
  for (int round = 0; round < kBurstsPerTurn; ++round) {
    const int n = port_->RxBurst(0, *pool_, burst);
    for (int i = 0; i < n; ++i) rx_.push_back({burst[i], kPort});
    if (n < limits::kRxBurst) break;
  }
  busy_ |= !rx_.empty();
}

void Stack::DecideUnmatched(Instant now) {
  for (const tcp::SegmentIn& in : unmatched_) {
    const ip::Segment& segment = segments_[in.tag];
    if (!segment.for_us) {
      pool_->Free(segment.packet);
    } else if (options_.listen_port != 0 && segment.destination.port == options_.listen_port) {
      const auto egress = ip_.Lookup(segment.source.ip);
      const tcp::Path path = egress
                                 ? tcp::Path{.mtu = egress->mtu,
                                             .super_frame_bytes_max = egress->super_frame_bytes_max}
                                 : tcp::Path{};
      tcp_.Accept(in, path, now);
    } else {
      tcp_.Reject(in, now);
    }
  }
  unmatched_.clear();
  segments_.clear();
}

void Stack::FireTimers(Instant now) {
  timers_.Advance(now, [this, now](Timer& timer) {
    busy_ = true;
    switch (timer.owner) {
      case TimerOwner::kIp:
        ip_.OnTimer(timer, now);
        break;
      case TimerOwner::kTcp:
        tcp_.OnTimer(timer, now, &events_);
        break;
      case TimerOwner::kTls:
        tls_->OnTimer(timer, now);
        break;
      case TimerOwner::kUdp:
      case TimerOwner::kL7:
      case TimerOwner::kWorker:
        break;  // nobody here arms them
    }
  });
}

bool Stack::Transmit(Instant now) {
  tcp_.Transmit(now, kSegmentsPerTurn, &out_);
  for (const tcp::SegmentOut& out : out_) {
    ip_.SendTcp(out.packet, out.source, out.destination, out.ecn, now);
  }
  const bool made = !out_.empty();
  out_.clear();
  std::vector<packet::Packet*>& queue = ip_.tx(kPort);
  size_t sent = 0;
  while (sent < queue.size()) {
    const size_t n = std::min<size_t>(queue.size() - sent, limits::kTxBurst);
    const int taken = port_->TxBurst(0, *pool_, std::span(queue).subspan(sent, n));
    sent += taken;
    if (static_cast<size_t>(taken) < n) break;
  }
  queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(sent));
  return made || sent > 0;
}

void Stack::UseTls(const WallClock& wall_clock, tls::HandshakeRunner* runner, Instant now) {
  CHECK(tls_ == nullptr);
  tls_ = std::make_unique<TlsStreams>(wall_clock, runner, pool_, &timers_, &tcp_, now);
}

void Stack::Send(TcpId id, Chain bytes, Instant now) {
  // One message at a time and connection: the send queue is bounded by it.
  if (tls_ != nullptr && tls_->has(id)) {
    static_cast<void>(tls_->Send(id, std::move(bytes), now));
  } else {
    static_cast<void>(tcp_.Send(id, std::move(bytes), now));
  }
}

void Stack::Release(TcpId id, Instant now) {
  if (tls_ == nullptr || !tls_->Release(id, now)) tcp_.Release(id, now);
}

void Stack::Abort(TcpId id, Instant now) {
  if (tls_ == nullptr || !tls_->Abort(id, now)) tcp_.Abort(id, now);
}

void Stack::SetCookie(TcpId id, uint64_t cookie) {
  tcp_.SetCookie(id, cookie);
  if (tls_ != nullptr && tls_->has(id)) tls_->SetCookie(id, cookie);
}

TcpId Stack::Connect(const SockAddr& target, uint64_t cookie, Instant deadline, Instant now) {
  const auto egress = ip_.Lookup(target.ip);
  if (!egress) return TcpId{};
  const tcp::Path path{.mtu = egress->mtu, .super_frame_bytes_max = egress->super_frame_bytes_max};
  const auto address_count = static_cast<uint32_t>(options_.addresses.size());
  for (int i = 0; i < kSourceTries; ++i) {
    const uint32_t n = next_source_++ % (address_count * kSourcePortCount);
    const FourTuple tuple{.local = {options_.addresses[n % address_count],
                                    static_cast<uint16_t>(kSourcePortFirst + n / address_count)},
                          .remote = target};
    if (tcp_.InUse(tuple)) continue;
    return tcp_.Connect(tuple, path, cookie, deadline, now);
  }
  return TcpId{};
}

}  // namespace meltemi::load
