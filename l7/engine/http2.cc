// HTTP/2 connections: the session's events to streams, and streams' bytes to the session. A carrier
// is the TCP connection; everything above it (requests, bodies, retries, records) is the business
// of its streams, in the files of HTTP/1.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "l7/base/stage.h"
#include "l7/engine/impl.h"

namespace meltemi::engine {
namespace {

using http2::ErrorCode;
using http2::Event;

constexpr std::string_view kMagic = "PRI ";  // no method of HTTP/1 begins so: RFC 9113 3.4
constexpr Duration kDrainPatience = Duration::Seconds(5);  // for the answer to our GOAWAY

// "name: value\r\n" each, as HTTP/1 writes trailers and its decoder gives them.
std::string TrailersToText(const std::optional<http::HeaderBlock>& trailers) {
  std::string text;
  if (!trailers.has_value()) return text;
  for (const http::Header& h : trailers->headers()) {
    text.append(h.name).append(": ").append(h.value).append("\r\n");
  }
  return text;
}

// Null when there are none; also when the pool is exhausted (`ok` false).
std::optional<http::HeaderBlock> TrailersOf(std::string_view text, BufferPool* pool, bool* ok) {
  if (text.empty()) return std::nullopt;
  std::optional<http::HeaderBlock> block(std::in_place, pool);
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1);
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
    while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
    // RFC 9110 6.5.1: what frames a message is no trailer.
    if (name == "transfer-encoding" || name == "connection" || name == "content-length") continue;
    *ok &= block->Add(name, value);
  }
  return block;
}

}  // namespace

http2::SessionOptions Engine::Impl::SessionOptionsOf(http2::Role role,
                                                     const config::Http2Options& from) {
  http2::SessionOptions options;
  options.role = role;
  options.max_concurrent_streams = from.concurrent_streams_max;
  options.initial_stream_window_size = from.stream_window_bytes;
  options.initial_connection_window_size = from.connection_window_bytes;
  options.allow_connect = from.allow_connect;
  return options;
}

// Downstream: what kind of connection it is, by its first bytes. False: not known yet.
bool Engine::Impl::Sniff(Conn& conn, Instant now) {
  std::string_view left = kMagic;
  for (const ChainNode* node = conn.in.head(); node != nullptr && !left.empty();
       node = node->next) {
    const std::string_view bytes(reinterpret_cast<const char*>(node->slice.data()),
                                 std::min<size_t>(node->slice.size(), left.size()));
    if (!left.starts_with(bytes)) {
      conn.sniff = false;
      return true;
    }
    left.remove_prefix(bytes.size());
  }
  if (!left.empty()) return false;
  BecomeHttp2(conn, now);
  return true;
}

void Engine::Impl::BecomeHttp2(Conn& down, Instant now) {
  ++counters_.http2_downstream;
  const config::HttpManager& manager = ManagerOf(down);
  http2::SessionOptions options = SessionOptionsOf(http2::Role::kServer, manager.http2);
  options.headers = {.bytes_max = manager.header_bytes_max, .count_max = manager.header_count_max};
  down.sniff = false;
  down.kind = Conn::Kind::kHttp2Down;
  down.part.emplace<std::monostate>();
  down.http2 = std::make_unique<Http2Half>(options, &hpack_memory_, pool_);
  if (down.drain) down.http2->session.BeginDrain();
  BeginKeepalive(down, manager.http2, now);
  FlushLater(down);
}

void Engine::Impl::FlushLater(Conn& carrier) {
  if (std::exchange(carrier.http2->flush_due, true)) return;
  flush_.push_back(carrier.id);
}

// What the session has to send, as far as TCP takes it; then what that made possible.
void Engine::Impl::Flush(ConnId id, Instant now) {
  Conn* carrier = conns_.Find(id);
  if (carrier == nullptr) return;
  carrier->http2->flush_due = false;
  http2::Session& session = carrier->http2->session;
  Write(*carrier, session.TakeOutput(carrier->has_space ? limits::kTcpSendQueueBytes : 0));
  PumpHttp2(id, now);
  carrier = conns_.Find(id);
  if (carrier == nullptr) return;
  if (carrier->http2->flush_due) return;
  if (carrier->drain && carrier->http2->streams.empty()) carrier->http2->session.BeginDrain();
  if (carrier->http2->session.done()) return EndCarrier(*carrier, now);
  if (carrier->http2->streams.empty() && !carrier->timer.pending()) WatchIdle(*carrier, now);
}

// The session is over, in order or not: what it still says goes out before the FIN.
void Engine::Impl::EndCarrier(Conn& carrier, Instant now) {
  Write(carrier, carrier.http2->session.TakeOutput(limits::kTcpSendQueueBytes));
  cluster::Cluster* const cluster = carrier.cluster;
  cluster::Host* const host = carrier.host;
  EndConn(carrier, Action::Kind::kRelease);
  if (host != nullptr) ServeWaiter(cluster, host, now);
}

void Engine::Impl::PumpHttp2(ConnId id, Instant now) {
  while (true) {
    Conn* const carrier = conns_.Find(id);
    if (carrier == nullptr || carrier->http2 == nullptr) return;
    const size_t before = carrier->in.size();
    const Event event = [&] {
      const StageScope scope(Stage::kParse);
      return carrier->http2->session.Next(&carrier->in, now);
    }();
    Consume(*carrier, before - carrier->in.size());
    if (carrier->http2->session.HasOutput(carrier->has_space)) FlushLater(*carrier);
    if (event == Event::kNeedMore) return;
    if (event == Event::kError) return OnSessionError(*carrier, now);
    OnSessionEvent(*carrier, event, now);
  }
}

void Engine::Impl::OnSessionEvent(Conn& carrier, Event event, Instant now) {
  http2::Session& session = carrier.http2->session;
  const uint32_t number = session.stream();
  if (event == Event::kRequest) return BeginStream(carrier, number, session.TakeRequest(), now);
  const auto found = carrier.http2->streams.find(number);
  Conn* const stream = found == carrier.http2->streams.end() ? nullptr : conns_.Find(found->second);
  switch (event) {
    case Event::kResponse:
      if (stream == nullptr) return;
      stream->responses()->stream().PutHead(session.TakeResponse());
      return PumpStream(stream->id, now);
    case Event::kBody: {
      Chain body = session.TakeBody();
      if (stream == nullptr) return session.Consumed(number, body.size());
      stream->in.Append(std::move(body));
      return PumpStream(stream->id, now);
    }
    case Event::kEnd: {
      const std::optional<http::HeaderBlock> trailers = session.TakeTrailers();
      if (stream == nullptr) return;
      if (stream->requests() != nullptr) {
        stream->eof = true;  // for tunnels
        stream->requests()->stream().PutEnd(TrailersToText(trailers));
      } else {
        stream->eof = InTunnel(*stream);
        stream->responses()->stream().PutEnd(TrailersToText(trailers));
      }
      return PumpStream(stream->id, now);
    }
    case Event::kReset:
      ++counters_.http2_streams_reset;
      if (!session.reset_by_peer()) {
        ++(carrier.kind == Conn::Kind::kHttp2Down ? counters_.downstream_protocol_errors
                                                  : counters_.upstream_protocol_errors);
      }
      if (stream == nullptr) return;
      stream->broken = !session.reset_by_peer() ? AttemptFailure::kProtocolError
                       : session.reset_code() == ErrorCode::kRefusedStream
                           ? AttemptFailure::kRefusedStream
                           : AttemptFailure::kRemoteReset;
      return StreamGone(stream->id, now);
    case Event::kSendSpace:
      if (stream != nullptr) SendSpace(*stream, now);
      return;
    case Event::kGoAway:
      if (carrier.host != nullptr) RemoveCarrier(carrier);
      return FlushLater(carrier);  // it may be the end
    case Event::kSettings:         // who waits to know what the server takes
      if (carrier.host != nullptr) ServeHttp2(carrier.cluster, carrier.host, now);
      return;
    case Event::kPong:
      return OnPong(carrier, now);
    case Event::kRequest:
    case Event::kNeedMore:
    case Event::kError:
      return;
  }
}

void Engine::Impl::PumpStream(ConnId id, Instant now) {
  if (conns_[id].kind == Conn::Kind::kHttpDown) return PumpDownstream(id, now);
  PumpUpstream(id, now);
}

// A Conn for a stream of `carrier`; null: no slot is left. The carrier is not idle any more.
Conn* Engine::Impl::NewStream(Conn::Kind kind, const Conn& carrier, Instant now) {
  const ConnId carrier_id = carrier.id;
  const ConnId id = conns_.Emplace(kind, now);
  if (!id.valid()) return nullptr;
  Conn& from = conns_[carrier_id];  // Emplace does not promise to leave it where it was
  timers_->Cancel(&from.timer);
  Conn& stream = conns_[id];
  stream.id = id;
  stream.timer.subject = id.bits();
  stream.connected = true;
  stream.local = from.local;
  stream.remote = from.remote;
  stream.carrier = carrier_id;
  return &stream;
}

// A request has come: a Conn for its stream, and then it is like any other.
void Engine::Impl::BeginStream(Conn& carrier, uint32_t number, http::RequestHead head,
                               Instant now) {
  Conn* const stream = NewStream(Conn::Kind::kHttpDown, carrier, now);
  if (stream == nullptr) {
    ++counters_.exchange_refused;
    carrier.http2->session.Reset(number, ErrorCode::kRefusedStream);
    return FlushLater(carrier);
  }
  Conn& from = conns_[stream->carrier];
  stream->listener = from.listener;
  stream->snapshot = from.snapshot;
  stream->listener_name = from.listener_name;
  stream->source = from.source;
  stream->identity = from.identity;
  stream->principal = from.principal;
  stream->own_principal = from.own_principal;
  stream->secure = from.secure;
  stream->stream = number;
  stream->part.emplace<RequestReader>();
  const bool ended = head.framing == http::Framing::kNone;
  stream->requests()->stream().PutHead(std::move(head));
  if (ended) stream->requests()->stream().PutEnd({});
  from.http2->streams.emplace(number, stream->id);
  PumpDownstream(stream->id, now);
}

// The peer has ended the stream, or the whole connection, before its time.
void Engine::Impl::StreamGone(ConnId id, Instant now) {
  Conn* stream = conns_.Find(id);
  if (stream == nullptr) return;
  if (stream->kind == Conn::Kind::kHttpUp && InTunnel(*stream)) {
    // After its END_STREAM it may reset what it does not want to read any more (RFC 9113 8.1).
    if (!stream->eof) return TunnelGone(*stream, CloseReason::kPeerReset, now);
    return EndTunnel(exchanges_[stream->exchange], Action::Kind::kRelease, now);
  }
  stream->eof = true;
  if (stream->kind == Conn::Kind::kHttpUp) {
    stream->gone = true;
    return PumpUpstream(id, now);
  }
  DownstreamGone(id, now);
  if ((stream = conns_.Find(id)) != nullptr) EndConn(*stream, Action::Kind::kAbort);
}

void Engine::Impl::StreamsGone(ConnId carrier, AttemptFailure how, Instant now) {
  if (conns_[carrier].http2 == nullptr) return;
  std::vector<ConnId> all;
  for (const auto& [number, id] : conns_[carrier].http2->streams) all.push_back(id);
  for (const ConnId id : all) {
    if (Conn* stream = conns_.Find(id)) stream->broken = how;
    StreamGone(id, now);
  }
}

void Engine::Impl::OnSessionError(Conn& carrier, Instant now) {
  ++counters_.http2_connection_errors;
  const ConnId id = carrier.id;
  if (carrier.host != nullptr) RemoveCarrier(carrier);
  StreamsGone(id, AttemptFailure::kProtocolError, now);
  if (Conn* left = conns_.Find(id)) EndCarrier(*left, now);
}

// FIN or RST of the TCP connection.
void Engine::Impl::CarrierGone(ConnId id, Instant now) {
  Conn& carrier = conns_[id];
  cluster::Cluster* const cluster = carrier.cluster;
  cluster::Host* const host = carrier.host;
  if (host != nullptr) {
    RemoveCarrier(carrier);
    ++cluster->stats.cx_destroy_remote;
  }
  StreamsGone(id, AttemptFailure::kTermination, now);
  if (Conn* left = conns_.Find(id)) EndConn(*left, Action::Kind::kRelease);
  if (host != nullptr) ServeWaiter(cluster, host, now);
}

// A stream's Conn ends. What the peer is told depends on how far it was.
void Engine::Impl::EndStream(Conn& stream, Action::Kind kind) {
  Conn* const carrier = conns_.Find(stream.carrier);
  if (carrier == nullptr) return;
  carrier->http2->streams.erase(stream.stream);
  http2::Session& session = carrier->http2->session;
  if (!stream.in.empty()) session.Consumed(stream.stream, stream.in.size());
  // An upstream's has `finished` as half of a tunnel: what was written to it is still to go.
  const bool ends = stream.kind == Conn::Kind::kHttpDown || stream.finished;
  if (ends && kind == Action::Kind::kRelease) {
    session.SendEnd(stream.stream, std::nullopt);
    session.Abandon(stream.stream);
  } else {
    session.Reset(stream.stream, stream.kind == Conn::Kind::kHttpUp ? ErrorCode::kCancel
                                                                    : ErrorCode::kInternalError);
  }
  FlushLater(*carrier);
}

// No streams: it may stay for as long as the configuration says, or until the peer has seen that it
// is to end.
void Engine::Impl::WatchIdle(Conn& carrier, Instant now) {
  Duration limit = carrier.cluster != nullptr ? carrier.cluster->settings().idle_timeout
                                              : ManagerOf(carrier).idle_timeout;
  if (carrier.drain) limit = kDrainPatience;
  carrier.timer.kind = static_cast<uint8_t>(TimerKind::kConnIdle);
  timers_->Schedule(&carrier.timer, limit.zero() ? Instant::Never() : now + limit);
}

void Engine::Impl::DrainCarrier(Conn& carrier) {
  carrier.drain = true;
  if (carrier.host != nullptr) RemoveCarrier(carrier);
  if (carrier.http2 == nullptr) return;
  carrier.http2->session.BeginDrain();
  FlushLater(carrier);
}

// Bytes of a stream's body towards the peer.
void Engine::Impl::WriteStream(Conn& stream, Chain bytes) {
  Conn* const carrier = conns_.Find(stream.carrier);
  if (carrier == nullptr) return;
  if (!carrier->http2->session.SendBody(stream.stream, std::move(bytes))) stream.has_space = false;
  FlushLater(*carrier);
}

// False: out of memory, nothing was sent of the trailers.
bool Engine::Impl::EndStreamBody(Conn& stream, std::string_view trailers) {
  Conn* const carrier = conns_.Find(stream.carrier);
  if (carrier == nullptr) return true;
  bool ok = true;
  std::optional<http::HeaderBlock> block = TrailersOf(trailers, pool_, &ok);
  if (!ok) return false;
  carrier->http2->session.SendEnd(stream.stream, std::move(block));
  FlushLater(*carrier);
  return true;
}

// Sends a response's head on a downstream stream. False: out of memory.
bool Engine::Impl::WriteStreamHead(Conn& stream, uint16_t status, const http::HeaderBlock& headers,
                                   bool end) {
  Conn* const carrier = conns_.Find(stream.carrier);
  if (carrier == nullptr) return true;
  FlushLater(*carrier);
  return carrier->http2->session.SendResponse(stream.stream, status, headers, end);
}

}  // namespace meltemi::engine
