#include "test/sim/http_server.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "l7/base/text.h"

namespace meltemi::sim {
namespace {

// Splits ".../r/<id>/<bytes>/<c or l>" of a request line; false when it is none.
bool ParseTarget(std::string_view line, uint64_t* id, Plan* plan) {
  const size_t at = line.find("/r/");
  if (at == std::string_view::npos) return false;
  const char* p = line.data() + at + 3;
  const char* end = line.data() + line.size();
  auto result = std::from_chars(p, end, *id);
  if (result.ec != std::errc() || result.ptr == end || *result.ptr != '/') return false;
  result = std::from_chars(result.ptr + 1, end, plan->reply_bytes);
  if (result.ec != std::errc() || end - result.ptr < 2 || *result.ptr != '/') return false;
  plan->chunked_reply = result.ptr[1] == 'c';
  return true;
}

}  // namespace

void HttpServer::OnEvent(Host& host, tcp::TcpEvent& event, Instant now) {
  using Kind = tcp::TcpEvent::Kind;
  switch (event.kind) {
    case Kind::kAccepted:
      conns_[event.id.bits()].heard_at = now;
      accepted_.push_back(host.tcp().tuple(event.id));
      return;
    case Kind::kClosed:
      conns_.erase(event.id.bits());
      return;
    case Kind::kConnected:
    case Kind::kConnectFailed:
    case Kind::kSendSpace:
      return;
    case Kind::kData:
    case Kind::kEof:
      break;
  }
  const auto found = conns_.find(event.id.bits());
  if (found == conns_.end()) return;  // killed in this turn
  Conn& conn = found->second;
  conn.heard_at = now;
  if (event.kind == Kind::kEof) {
    conn.eof = true;
  } else {
    std::vector<Message> requests;
    host.tcp().Consumed(event.id, static_cast<uint32_t>(event.bytes.size()), now);
    if (conn.finished) return;  // closed: nobody reads it
    if (!conn.reader.Feed(event.bytes.ToString(), &requests)) {
      errors_.push_back(Cat(options_.name, ": request is no HTTP/1.1"));
      host.Abort(event.id, now);
      conns_.erase(found);
      return;
    }
    for (const Message& request : requests) OnRequest(&conn, request, now);
  }
  Pump(host, event.id, &conn, now);
}

void HttpServer::OnRequest(Conn* conn, const Message& request, Instant now) {
  uint64_t id = 0;
  Plan plan;
  if (!ParseTarget(request.start_line, &id, &plan) || request.Header("x-id") != Cat(id)) {
    errors_.push_back(Cat(options_.name, ": odd request: ", request.start_line));
    return;
  }
  ++served_[id];
  if (request.body != RequestBody(id, request.body.size())) {
    errors_.push_back(Cat(options_.name, ": request ", id, ": damaged body"));
  }
  Reply reply{.due = now, .text = ReplyText(id, plan, options_.name, request.body)};
  if (fail_every_ > 0 && ++request_count_ % fail_every_ == 0) {
    const std::string_view ok = "200 OK";
    reply.text.replace(reply.text.find(ok), ok.size(), "500 X");
  }
  if (options_.service_time_max > Duration()) {
    reply.due = now + Duration::Nanos(static_cast<int64_t>(
                          prng_.Below(static_cast<uint64_t>(options_.service_time_max.nanos()))));
  }
  if (options_.close_every > 0 && prng_.Chance(1, static_cast<uint64_t>(options_.close_every))) {
    reply.close = true;
    reply.text.insert(reply.text.find("\r\n") + 2, "connection: close\r\n");
  }
  conn->replies.push_back(std::move(reply));
}

void HttpServer::Pump(Host& host, TcpId id, Conn* conn, Instant now) {
  while (!conn->finished && !conn->replies.empty() && conn->replies.front().due <= now) {
    host.Send(id, conn->replies.front().text, now);  // what TCP says about its queue is ignored:
                                                     // it keeps what it was given
    if (conn->replies.front().close) {
      conn->finished = true;
      host.Finish(id, now);
    }
    conn->replies.pop_front();
  }
  if (conn->eof && !conn->finished && conn->replies.empty()) {
    conn->finished = true;
    host.Finish(id, now);
  }
}

Instant HttpServer::TiredAt(const Conn& conn) const {
  const bool idle = !conn.finished && conn.replies.empty() && conn.reader.empty();
  return idle && !options_.idle_max.zero() ? conn.heard_at + options_.idle_max : Instant::Never();
}

Instant HttpServer::OnTurn(Host& host, Instant now) {
  Instant next = Instant::Never();
  for (auto& [bits, conn] : conns_) {
    Pump(host, TcpId::FromBits(bits), &conn, now);
    if (TiredAt(conn) <= now) {
      conn.finished = true;
      host.Finish(TcpId::FromBits(bits), now);
    }
    next = std::min(next, TiredAt(conn));
    if (!conn.finished && !conn.replies.empty()) next = std::min(next, conn.replies.front().due);
  }
  return next;
}

void HttpServer::Kill(Host& host, Instant now) {
  for (const auto& [bits, conn] : conns_) host.Abort(TcpId::FromBits(bits), now);
  conns_.clear();
  open_ = false;
}

}  // namespace meltemi::sim
