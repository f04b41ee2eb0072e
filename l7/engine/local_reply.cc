// Replies the engine makes itself, in the words of Envoy: status, body, flags, details.
#include <algorithm>
#include <utility>

#include "l7/engine/header_mutation.h"
#include "l7/engine/impl.h"
#include "l7/http1/serializer.h"

namespace meltemi::engine {

using http::Known;

void Engine::Impl::Reply(Exchange& x, const LocalReply& reply, Instant now) {
  ++counters_.local_replies;
  DropUpstream(x, now);
  Conn& down = conns_[x.down];
  DiscardRequestBody(down, x);
  x.state = Exchange::State::kReplied;
  x.flags |= reply.flags;
  x.details.Set(reply.details);
  x.status = reply.status;
  x.close_after |= down.drain || !x.request_complete;
  if (x.cluster != nullptr) ++x.cluster->stats.rq_class[std::min(reply.status / 100, 5)];
  if (!WriteReply(x, reply, down, now)) {
    ++counters_.buffers_exhausted;
    x.close_after = true;
    x.status = 0;
  }
  EndExchange(x, now);
}

void Engine::Impl::ReplyOverflow(Exchange& x, Instant now) {
  Reply(x,
        {.status = 503,
         .body = "upstream connect error or disconnect/reset before headers. "
                 "reset reason: overflow",
         .details = "upstream_reset_before_response_started{overflow}",
         .flags = telemetry::kUpstreamOverflow,
         .overloaded = true},
        now);
}

bool Engine::Impl::WriteReply(Exchange& x, const LocalReply& reply, Conn& down, Instant now) {
  http::HeaderBlock headers(pool_);
  bool ok = true;
  if (!reply.body.empty()) ok &= headers.Add(Known::kContentType, "text/plain");
  if (!reply.location.empty()) ok &= headers.Add(Known::kLocation, reply.location);
  if (reply.overloaded) ok &= headers.Add(Known::kEnvoyOverloaded, "true");
  ok &= headers.Add(Known::kDate, Date(now));
  ok &= headers.Add(Known::kServer, x.manager->server_name);
  ok &= MutateResponse({x.target == nullptr ? nullptr : &x.target->headers,
                        x.route == nullptr ? nullptr : &x.route->headers,
                        x.host_config == nullptr ? nullptr : &x.host_config->headers,
                        x.table == nullptr ? nullptr : &x.table->headers},
                       &headers);
  // RFC 9110 6.4.1: 1xx, 204 and 304 have no body.
  const bool bodiless = reply.status < 200 || reply.status == 204 || reply.status == 304;
  http1::FramingOut framing{
      .announce_zero_length = !bodiless,
      .close = x.close_after,
      .keep_alive = !x.close_after && x.head.version == http::Version::kHttp10};
  if (!reply.body.empty() && !bodiless) {
    framing.framing = http::Framing::kLength;
    framing.content_length = reply.body.size();
  }
  Chain out;
  ok = ok && http1::WriteResponseHead(reply.status, http::ReasonPhrase(reply.status), headers,
                                      framing, pool_, &out);
  if (ok && framing.framing == http::Framing::kLength && x.head.method != "HEAD") {
    ok = AppendCopy(pool_, reply.body, &out);
    x.bytes_sent += reply.body.size();
  }
  if (!ok) return false;
  Write(down, std::move(out));
  return true;
}

}  // namespace meltemi::engine
