#include "dataplane/worker/worker.h"

#include <algorithm>
#include <utility>

#include "dataplane/wire/transport.h"
#include "l7/base/limits.h"
#include "l7/base/stage.h"

namespace meltemi::worker {
namespace {

// Actions may lead to events and these to actions: bounded within a turn.
constexpr int kActionRounds = 16;

tcp::Path PathOf(const ip::Egress& egress) {
  return {.mtu = egress.mtu, .super_frame_bytes_max = egress.super_frame_bytes_max};
}

std::unique_ptr<tls::Tls> MakeTls(const WorkerOptions& options, const WorkerLinks& links,
                                  TimerWheel* timers, Instant now) {
  if (links.handshakes == nullptr) return nullptr;
  tls::TlsOptions tls = options.tls;
  tls.wall_clock = options.engine.wall_clock;
  return std::make_unique<tls::Tls>(tls, links.pool, timers, links.handshakes, now);
}

}  // namespace

tcp::Keepalive KeepaliveOf(const config::TcpKeepalive& configured) {
  return {.idle = Duration::Seconds(configured.time_s),
          .interval = Duration::Seconds(configured.interval_s),
          .probes = configured.probes};
}

engine::ConnectError ConnectErrorOf(tcp::TcpError error) {
  switch (error) {
    case tcp::TcpError::kRefused:
    case tcp::TcpError::kReset:
      return engine::ConnectError::kRefused;
    case tcp::TcpError::kUnreachable:
      return engine::ConnectError::kUnreachable;
    case tcp::TcpError::kNone:
    case tcp::TcpError::kTimeout:
    case tcp::TcpError::kNoResources:
    case tcp::TcpError::kOverload:  // of established ones only
      return engine::ConnectError::kTimeout;
  }
  return engine::ConnectError::kTimeout;
}

engine::CloseReason CloseReasonOf(tcp::TcpError error) {
  if (error == tcp::TcpError::kNone) return engine::CloseReason::kFinished;
  if (error == tcp::TcpError::kReset) return engine::CloseReason::kPeerReset;
  if (error == tcp::TcpError::kOverload) return engine::CloseReason::kOverload;
  return engine::CloseReason::kTimeout;
}

Worker::Worker(const WorkerOptions& options, const WorkerLinks& links, Instant now)
    : options_(options),
      links_(links),
      prng_(options.seed),
      source_ports_(options.tcp.isn_key),
      timers_(now),
      ip_(links.pool, &timers_, &prng_),
      tcp_(options.tcp, links.pool, &timers_, &prng_, now),
      tls_(MakeTls(options, links, &timers_, now)),
      udp_(limits::kUdpSessionCountMax, &timers_),
      engine_(options.engine, links.pool, &timers_, &prng_) {
  CHECK(options.worker_count > 0 && options.index < options.worker_count);
  CHECK(links.peers.size() == static_cast<size_t>(options.worker_count));
}

Worker::~Worker() {
  sniffs_.ForEach([this](SniffId, Sniff& sniff) { timers_.Cancel(&sniff.timer); });
  for (ip::PortId id = 0; id < ports_.entries().size(); ++id) ports_.Detach(id, &ip_, links_.pool);
}

Instant Worker::Turn(Instant now) {
  BeginStages();
  busy_ = false;
  TakeSnapshot(now);
  if (links_.overload != nullptr) FollowOverload();
  ReadMail(now);
  EnterStage(Stage::kRx);
  rx_.clear();
  ports_.RxBurst(links_.pool, now, &rx_);
  busy_ |= !rx_.empty();
  EnterStage(Stage::kIp);
  ip_.Receive(rx_, now, &segments_);
  Steer(now);
  EnterStage(Stage::kTcpIn);
  tcp_.Receive(tcp_in_, now, &events_, &unmatched_);
  DecideUnmatched(now);
  if (!ip_.datagrams().empty()) TakeDatagrams(now);
  TakeIcmpErrors(now);
  EnterStage(Stage::kTls);
  PollTls(now);
  Deliver(now);
  EnterStage(Stage::kOther);
  const Instant deadline = FireTimers(now);
  RunActions(now);
  EnterStage(Stage::kTcpOut);
  Transmit(now);
  EnterStage(Stage::kTx);
  busy_ |= ports_.TxBurst(&ip_, links_.pool, &counters_);
  EnterStage(Stage::kOther);
  ShareNeighbours();
  HandOverRecords();
  Publish(now);
  EndStages(busy_, &stages_);
  return tcp_.transmit_pending() || ports_.AnyTxWaiting(&ip_) ? now : deadline;
}

void Worker::AddCycles(uint64_t cycles) {
  counters_.cycles += cycles;
  if (busy_) counters_.busy_cycles += cycles;
}

void Worker::TakeSnapshot(Instant now) {
  const config::Snapshot* current = links_.snapshots->Current();
  TakeTlsContexts();  // after the load: at least as new as what the snapshot needs
  if (current == snapshot_) return engine_.FollowBoard(now);
  snapshot_ = current;
  ++counters_.snapshots_taken;
  busy_ = true;
  engine_.UseSnapshot(current, now);
  UseUdpListeners();
}

void Worker::DecideUnmatched(Instant now) {
  const bool stopped = overload_.saturated(policy::OverloadAction::kStopAcceptingConnections);
  for (const tcp::SegmentIn& in : unmatched_) {
    const ip::Segment& segment = segments_[in.tag];
    if (Accepts(segment)) {
      if (stopped && Opens(segment)) {
        ++counters_.drop_overload;
        links_.pool->Free(segment.packet);
        continue;
      }
      const auto egress = ip_.Lookup(segment.source.ip);
      tcp_.Accept(in, egress ? PathOf(*egress) : tcp::Path{}, now);
    } else if (segment.for_us) {
      tcp_.Reject(in, now);
    } else {
      ip_.Forward(segment, now);
    }
  }
  unmatched_.clear();
  segments_.clear();
}

// A connection belongs to us when a listener has its destination: outbound ones for pods, inbound
// ones for what comes in from outside or is meant for the plane itself.
bool Worker::Accepts(const ip::Segment& segment) const {
  if (snapshot_ == nullptr || segment.port >= ports_.entries().size()) return false;
  const bool from_pod =
      ports_.entries()[segment.port].attachment.ip.kind == ip::PortKind::kPod && !segment.for_us;
  const auto direction = from_pod ? config::Direction::kOutbound : config::Direction::kInbound;
  return ListenerOf(direction, segment.destination, Opens(segment)) != config::kNoIndex;
}

// TCP has looked at it, and found no connection: its header is whole, in one piece.
bool Worker::Opens(const ip::Segment& segment) {
  const auto header =
      wire::TcpHeader::Parse(packet::Data(segment.packet), segment.packet->data_len);
  return header.has_value() && (header->flags & (wire::kTcpSyn | wire::kTcpAck)) == wire::kTcpSyn;
}

// Port 0 of what comes in takes the connections to every other port of its address. What opens none
// may belong to a connection that the pod itself has opened, through us.
// What a pod sends to a pod of this node by its address, where no service is meant, comes by no
// outbound listener; where there are rules about who may, it is taken by the inbound one.
uint32_t Worker::ListenerOf(config::Direction direction, const SockAddr& destination,
                            bool opens) const {
  const uint32_t exact = snapshot_->FindListener(direction, destination);
  if (exact != config::kNoIndex || !opens) return exact;
  if (direction != config::Direction::kInbound) {
    return snapshot_->FindGuard(destination) == config::kNoIndex
               ? config::kNoIndex
               : ListenerOf(config::Direction::kInbound, destination, opens);
  }
  return snapshot_->FindListener(direction, {destination.ip, 0});
}

void Worker::TakeIcmpErrors(Instant now) {
  for (const ip::IcmpError& error : ip_.icmp_errors()) {
    const int owner = SymmetricHash(error.local, error.remote) % options_.worker_count;
    if (owner != options_.index) {
      PeerMail mail{.kind = PeerMail::Kind::kIcmpError, .icmp = error};
      links_.peers[owner]->mail.Push(std::move(mail));  // lost when full: ICMP is only a hint
      continue;
    }
    if (error.udp) {
      OnUdpError(error, now);
      continue;
    }
    const bool hard = error.kind == ip::IcmpError::Kind::kUnreachable;
    tcp_.OnIcmp(error.local, error.remote, error.sequence, hard, error.mtu, now, &events_);
  }
  ip_.icmp_errors().clear();
}

void Worker::Deliver(Instant now) {
  while (!events_.empty()) {
    busy_ = true;
    const StageScope scope(Stage::kEngine);
    delivering_.swap(events_);
    for (tcp::TcpEvent& event : delivering_) OnTcpEvent(event, now);
    delivering_.clear();
  }
}

void Worker::OnTcpEvent(tcp::TcpEvent& event, Instant now) {
  using Kind = tcp::TcpEvent::Kind;
  if (event.kind == Kind::kAccepted) return OnAccepted(event.id, now);
  if (event.cookie & kSniffCookie) {
    OnSniffTcpEvent(event, now);
    return RunActions(now);
  }
  if (event.cookie & kTlsCookie) {
    OnTlsTcpEvent(event, now);
    return RunActions(now);
  }
  const ConnId conn = ConnId::FromBits(event.cookie);
  if (pipes_.Tcp(conn) != event.id) return;  // L7 has let go of it
  switch (event.kind) {
    case Kind::kAccepted:
      break;
    case Kind::kConnected:
      engine_.OnConnected(conn, ConnectedOf(event.id), now);
      break;
    case Kind::kConnectFailed:
      pipes_.Part(conn);
      engine_.OnConnectFailed(conn, ConnectErrorOf(event.error), now);
      break;
    case Kind::kData:
      more_follows_ = event.more;
      engine_.OnBytes(conn, std::move(event.bytes), now);
      break;
    case Kind::kEof:
      engine_.OnEof(conn, engine::Ending::kOrderly, now);
      break;
    case Kind::kSendSpace:
      engine_.OnSendQueue(conn, true, now);
      break;
    case Kind::kClosed:
      pipes_.Part(conn);
      engine_.OnClosed(conn, CloseReasonOf(event.error), now);
      break;
  }
  RunActions(now);
  more_follows_ = false;
}

void Worker::OnAccepted(TcpId tcp, Instant now) {
  // What a new snapshot, mail or a timer made the engine ask for comes first: the connections it
  // names are gone from the engine, and the new one may be given a slot, and the pipe, of theirs.
  RunActions(now);
  engine::Accepted accepted = AcceptedOf(tcp);
  const config::Listener* listener =
      accepted.listener == config::kNoIndex ? nullptr : &snapshot_->listeners[accepted.listener];
  const bool sniff = listener != nullptr && listener->sniffs();
  if (listener != nullptr && !sniff && !listener->chains.empty()) {
    accepted.listener = ChooseChain(*listener, accepted, {}, tcp).listener;
    if (accepted.listener == config::kNoIndex) return NoFilterChain(tcp, now);
  }
  const uint64_t cookie = sniff ? BeginSniff(tcp, *listener, now) : Begin(tcp, accepted, now);
  if (cookie != 0) SetTcpCookie(tcp, cookie);
  RunActions(now);
}

// The chain of `listener`, which is accepted.listener, for what was heard of the client.
config::ChainChoice Worker::ChooseChain(const config::Listener& listener,
                                        const engine::Accepted& accepted, config::Heard heard,
                                        TcpId tcp) const {
  heard.local = accepted.local;
  heard.remote = accepted.remote;
  heard.direct_remote = tcp_.tuple(tcp).remote.ip;
  return config::ChooseChain(listener, accepted.listener, heard);
}

void Worker::NoFilterChain(TcpId tcp, Instant now) {
  ++counters_.no_filter_chain;
  ForgetProxied(tcp);
  tcp_.Abort(tcp, now);
}

// Whose connection it is from now on, as TCP's cookie; 0: it is refused and gone.
uint64_t Worker::Begin(TcpId tcp, const engine::Accepted& accepted, Instant now) {
  const bool heard = accepted.listener != config::kNoIndex;
  const uint32_t settings = heard ? snapshot_->listeners[accepted.listener].tls : config::kNoTls;
  if (settings != config::kNoTls) return AcceptTls(tcp, settings, now);
  return BeginPlain(tcp, accepted, now);
}

uint64_t Worker::BeginPlain(TcpId tcp, const engine::Accepted& accepted, Instant now) {
  const ConnId conn = Admit(accepted, now);
  ForgetProxied(tcp);
  if (!conn.valid()) return Refuse(tcp, now);
  pipes_.Join(conn, tcp);
  return conn.bits();
}

uint64_t Worker::Refuse(TcpId tcp, Instant now) {
  ++counters_.refused_full;
  tcp_.Abort(tcp, now);
  return 0;
}

engine::Accepted Worker::AcceptedOf(TcpId tcp) const {
  const FourTuple& tuple = tcp_.tuple(tcp);
  engine::Accepted accepted{.local = tuple.local, .remote = tuple.remote};
  const PortSet::Entry* entry = ports_.FindByPodAddress(tuple.remote.ip);
  if (entry != nullptr) accepted.source = entry->attachment.workload;
  // What reaches a gateway goes on as the gateway's, whoever sent it.
  const config::Workload* gateway = ports_.FindGateway(tuple.local.ip);
  accepted.gateway = gateway != nullptr;
  if (gateway != nullptr) accepted.source = gateway;
  accepted.listener = ListenerOf(
      entry != nullptr ? config::Direction::kOutbound : config::Direction::kInbound, tuple.local,
      /*opens=*/true);
  if (!proxied_.empty()) ApplyProxied(tcp, &accepted);
  return accepted;
}

// Without TLS.
engine::Connected Worker::ConnectedOf(TcpId tcp) const {
  const FourTuple& tuple = tcp_.tuple(tcp);
  const PortSet::Entry* entry = ports_.FindByPodAddress(tuple.remote.ip);
  return {.local = tuple.local,
          .workload = entry == nullptr ? nullptr : entry->attachment.workload};
}

ConnId Worker::Admit(const engine::Accepted& accepted, Instant now) {
  return accepted.listener == config::kNoIndex ? ConnId{} : engine_.OnAccept(accepted, now);
}

void Worker::SetTcpCookie(TcpId tcp, uint64_t cookie) {
  tcp_.SetCookie(tcp, cookie);
  // Its first bytes may stand in the same batch of events, made before the cookie was known.
  for (tcp::TcpEvent& later : delivering_) {
    if (later.id == tcp) later.cookie = cookie;
  }
}

Instant Worker::FireTimers(Instant now) {
  timers_.Advance(now, [this, now](Timer& timer) {
    busy_ = true;
    switch (timer.owner) {
      case TimerOwner::kIp:
        ip_.OnTimer(timer, now);
        break;
      case TimerOwner::kTcp:
        tcp_.OnTimer(timer, now, &events_);
        break;
      case TimerOwner::kL7:
        engine_.OnTimer(timer, now);
        break;
      case TimerOwner::kUdp:
        udp_.OnTimer(timer, now);
        break;
      case TimerOwner::kTls:
        tls_->OnTimer(timer, now, &tls_events_);
        break;
      case TimerOwner::kWorker:
        OnSniffTimer(timer, now);
        break;
    }
  });
  if (!tls_events_.empty()) DeliverTls(now);
  Deliver(now);
  return timers_.NextDeadline();
}

void Worker::RunActions(Instant now) {
  for (int round = 0; round < kActionRounds && !engine_.actions().empty(); ++round) {
    busy_ = true;
    const StageScope scope(Stage::kTcpOut);
    running_.swap(engine_.actions());
    for (engine::Action& action : running_) Run(action, now);
    running_.clear();
    if (!to_seal_.empty()) SealWrites(now);
  }
}

void Worker::Run(engine::Action& action, Instant now) {
  using Kind = engine::Action::Kind;
  if (action.kind == Kind::kConnect) return Connect(action, now);
  if (TlsPipe* pipe = tls_pipes_.Find(pipes_.Tls(action.conn))) return RunTls(action, *pipe, now);
  const TcpId tcp = pipes_.Tcp(action.conn);
  if (!tcp.valid()) return;  // it died while the action was on its way
  switch (action.kind) {
    case Kind::kConnect:
      break;
    case Kind::kWrite:
      if (!Write(action, tcp, now)) engine_.OnSendQueue(action.conn, false, now);
      break;
    case Kind::kFinish:
      tcp_.Finish(tcp, now);
      break;
    case Kind::kAbort:
      pipes_.Part(action.conn);
      tcp_.Abort(tcp, now);
      break;
    case Kind::kReset:
      pipes_.Part(action.conn);
      tcp_.Reset(tcp, now);
      break;
    case Kind::kRelease:
      pipes_.Part(action.conn);
      tcp_.Release(tcp, now);
      break;
    case Kind::kConsumed:
      tcp_.Consumed(tcp, action.byte_count, now);
      break;
  }
}

// The explicit cork: a stream that is passed on is held to whole segments while its source has more
// to send at once. What a turn writes leaves together in any case, at its end.
bool Worker::Write(engine::Action& action, TcpId tcp, Instant now) {
  if (!action.passed_on || !more_follows_) return tcp_.Send(tcp, std::move(action.bytes), now);
  return tcp_.SendCorked(tcp, std::move(action.bytes), now);
}

// As the server's certificate would be: the pod is one of those that the cluster expects.
bool Worker::IsExpected(const engine::Action& action, const PortSet::Entry& pod) const {
  const config::TlsSettings* settings = snapshot_->FindTls(action.tls);
  const config::Workload* workload = pod.attachment.workload;
  return settings != nullptr && workload != nullptr && settings->peer.Accept(workload->identity);
}

void Worker::Connect(engine::Action& action, Instant now) {
  const auto egress = ip_.Lookup(action.address.ip);
  if (!egress) {
    ++counters_.connect_no_route;
    return engine_.OnConnectFailed(action.conn, engine::ConnectError::kUnreachable, now);
  }
  // The mesh's own, to a pod of this node: its port is its identity, and nothing leaves the
  // process.
  const PortSet::Entry* pod =
      action.source.empty() ? nullptr : ports_.FindByPodAddress(action.address.ip);
  if (pod != nullptr && !IsExpected(action, *pod)) {
    ++counters_.tls_local_refused;
    engine_.CountUpstreamTls(action.conn, {.result = telemetry::TlsResult::kFailedName});
    return engine_.OnConnectFailed(action.conn, engine::ConnectError::kTlsName, now);
  }
  FourTuple tuple{.local = {egress->source, 0}, .remote = action.address};
  const Instant deadline = now + action.connect_timeout;
  TcpId tcp;
  if (ChoosePort(&tuple.local, tuple.remote, [&] { return tcp_.InUse(tuple); })) {
    tcp = tcp_.Connect(tuple, PathOf(*egress), action.conn.bits(), deadline, now);
  }
  if (!tcp.valid()) {
    ++counters_.connect_no_port;
    return engine_.OnConnectFailed(action.conn, engine::ConnectError::kNoResources, now);
  }
  if (action.keepalive.on()) tcp_.SetKeepalive(tcp, KeepaliveOf(action.keepalive));
  if (!action.bytes.empty()) (void)tcp_.Send(tcp, std::move(action.bytes), now);
  counters_.tls_local += pod != nullptr;
  if (action.tls != config::kNoTls && pod == nullptr) return ConnectTls(action, tcp, now);
  pipes_.Join(action.conn, tcp);
}

void Worker::Transmit(Instant now) {
  tcp_.Transmit(now, limits::kTxBurst * 4, &out_);
  busy_ |= !out_.empty();
  for (const tcp::SegmentOut& out : out_) {
    ip_.SendTcp(out.packet, out.source, out.destination, out.ecn, now);
  }
  out_.clear();
}

void Worker::HandOverRecords() {
  for (telemetry::AccessRecord& record : engine_.records()) {
    if (!links_.mail_out->records.Push(std::move(record))) ++counters_.records_lost;
  }
  engine_.records().clear();
}

void Worker::Publish(Instant now) {
  (void)now;
  ++counters_.turns;
  counters_.busy_turns += busy_;
  if (snapshot_ != nullptr) {
    links_.snapshots->Release(options_.index,
                              std::min(engine_.oldest_snapshot(), snapshot_->sequence));
  }
}

}  // namespace meltemi::worker
