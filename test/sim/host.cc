#include "test/sim/host.h"

#include <algorithm>
#include <array>
#include <utility>

#include "l7/base/limits.h"

namespace meltemi::sim {
namespace {

constexpr ip::PortId kPort = 0;
constexpr int kPortTries = 64;

tcp::Path PathOf(const ip::Egress& egress) {
  return {.mtu = egress.mtu, .super_frame_bytes_max = egress.super_frame_bytes_max};
}

}  // namespace

Host::Host(const HostOptions& options, App* app, Instant now)
    : options_(options),
      app_(app),
      timers_(now),
      prng_(options.seed),
      port_(options.port),
      ip_(&pool_, &timers_, &prng_),
      tcp_(options.tcp, &pool_, &timers_, &prng_, now) {
  if (options.tls.server != nullptr || options.tls.client != nullptr) {
    tls_ = std::make_unique<load::TlsStreams>(options.tls.wall_clock, &handshakes_, &pool_,
                                              &timers_, &tcp_, now);
    tls_->set_client({.context = options.tls.client});
    tls_->set_server(options.tls.server);
  }
  const nic::PortCaps caps = port_.caps();
  ip::PortOptions port{.kind = ip::PortKind::kUplink,
                       .mac = options.mac,
                       .mtu = options.mtu,
                       .addresses = options.on_link,
                       .own = options.addresses,
                       .tx_checksum = caps.tx_checksum,
                       .tx_segmentation = caps.tx_segmentation,
                       .super_frame_bytes_max = caps.super_frame_bytes_max};
  ip_.AddPort(kPort, port);
  std::vector<ip::Route> routes;
  for (const IpPrefix& prefix : options.on_link) {
    routes.push_back({.prefix = prefix, .port = kPort, .via = std::nullopt});
  }
  for (const IpAddr& gateway : options.gateways) {
    const char* all = gateway.v4() ? "0.0.0.0/0" : "::/0";
    routes.push_back({.prefix = *IpPrefix::Parse(all), .port = kPort, .via = gateway});
  }
  ip_.SetRoutes(std::move(routes));
}

Host::~Host() {
  for (packet::Packet* p : ip_.tx(kPort)) pool_.Free(p);
  ip_.tx(kPort).clear();
}

Instant Host::Turn(Instant now) {
  if (!running_) {
    port_.sent().clear();
    return Instant::Never();
  }
  rx_.clear();
  segments_.clear();
  std::array<packet::Packet*, 64> burst;
  const int n = port_.RxBurst(0, pool_, burst);
  for (int i = 0; i < n; ++i) rx_.push_back({burst[i], kPort});
  ip_.Receive(rx_, now, &segments_);
  ip_.learned().clear();
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
  for (const tcp::SegmentIn& in : unmatched_) {
    const ip::Segment& s = segments_[in.tag];
    const auto egress = ip_.Lookup(s.source.ip);
    if (s.for_us && app_->Listens(s.destination)) {
      tcp_.Accept(in, egress ? PathOf(*egress) : tcp::Path{}, now);
    } else if (s.for_us) {
      tcp_.Reject(in, now);
    } else {
      pool_.Free(in.packet);  // damaged on the wire: not our address
    }
  }
  unmatched_.clear();
  for (const ip::IcmpError& e : ip_.icmp_errors()) {
    const bool hard = e.kind == ip::IcmpError::Kind::kUnreachable;
    tcp_.OnIcmp(e.local, e.remote, e.sequence, hard, e.mtu, now, &events_);
  }
  ip_.icmp_errors().clear();
  timers_.Advance(now, [this, now](Timer& timer) {
    if (timer.owner == TimerOwner::kIp) {
      ip_.OnTimer(timer, now);
    } else if (timer.owner == TimerOwner::kTls) {
      tls_->OnTimer(timer, now);
    } else {
      tcp_.OnTimer(timer, now, &events_);
    }
  });
  Deliver(now);
  Instant wanted = app_->OnTurn(*this, now);
  tcp_.Transmit(now, limits::kTxBurst * 4, &out_);
  for (const tcp::SegmentOut& o : out_) {
    ip_.SendTcp(o.packet, o.source, o.destination, o.ecn, now);
  }
  out_.clear();
  std::vector<packet::Packet*>& queue = ip_.tx(kPort);
  const int sent = port_.TxBurst(0, pool_, queue);
  queue.erase(queue.begin(), queue.begin() + sent);
  if (tcp_.transmit_pending() || !queue.empty()) return now;
  return std::min(wanted, timers_.NextDeadline());
}

void Host::Deliver(Instant now) {
  while (!events_.empty() || (tls_ != nullptr && tls_->due())) {
    delivering_.swap(events_);
    if (tls_ != nullptr) tls_->Translate(now, &delivering_);
    for (tcp::TcpEvent& event : delivering_) app_->OnEvent(*this, event, now);
    delivering_.clear();
  }
}

TcpId Host::Connect(const SockAddr& to, uint64_t cookie, Instant deadline, Instant now) {
  const auto egress = ip_.Lookup(to.ip);
  if (!egress) return TcpId{};
  FourTuple tuple{.local = {egress->source, 0}, .remote = to};
  for (int i = 0; i < kPortTries; ++i) {
    tuple.local.port = static_cast<uint16_t>(32'768 + prng_.Below(28'000));
    if (tcp_.InUse(tuple)) continue;
    return tcp_.Connect(tuple, PathOf(*egress), cookie, deadline, now);
  }
  return TcpId{};
}

bool Host::Send(TcpId id, std::string_view bytes, Instant now) {
  Chain chain;
  CHECK(AppendCopy(&pool_, bytes, &chain));
  if (tls_ != nullptr && tls_->has(id)) return tls_->Send(id, std::move(chain), now);
  return tcp_.Send(id, std::move(chain), now);
}

void Host::Finish(TcpId id, Instant now) {
  if (tls_ == nullptr || options_.tls.cuts || !tls_->Finish(id, now)) tcp_.Finish(id, now);
}

void Host::Abort(TcpId id, Instant now) {
  if (tls_ == nullptr || !tls_->Abort(id, now)) tcp_.Abort(id, now);
}

}  // namespace meltemi::sim
