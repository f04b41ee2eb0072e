// Replies the engine makes itself, in the words of Envoy: status, body, flags, details.
#include <algorithm>
#include <utility>

#include "l7/base/text.h"
#include "l7/engine/grpc.h"
#include "l7/engine/header_mutation.h"
#include "l7/engine/impl.h"
#include "l7/http1/serializer.h"

namespace meltemi::engine {

using http::Known;

namespace {

// Envoy's, by grpc's doc/http-grpc-status-mapping.md.
std::string_view GrpcStatusOf(uint16_t http_status) {
  switch (http_status) {
    case 400:
      return "13";  // INTERNAL
    case 401:
      return "16";  // UNAUTHENTICATED
    case 403:
      return "7";  // PERMISSION_DENIED
    case 404:
      return "12";  // UNIMPLEMENTED
    case 429:
    case 502:
    case 503:
    case 504:
      return "14";  // UNAVAILABLE
    default:
      return "2";  // UNKNOWN
  }
}

// grpc-message is percent-encoded (grpc's PROTOCOL-HTTP2.md).
std::string GrpcMessage(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '%') {
      out += c;
    } else {
      out.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  return out;
}

}  // namespace

void Engine::Impl::Reply(Exchange& x, const LocalReply& reply, Instant now) {
  ++counters_.local_replies;
  DropUpstream(x, now);
  Conn& down = conns_[x.down];
  DiscardRequestBody(down, x);
  x.state = Exchange::State::kReplied;
  x.flags |= reply.flags;
  x.details.Set(reply.details);
  const bool grpc = IsGrpc(x.head);
  x.status = grpc ? uint16_t{200} : reply.status;
  x.close_after |= down.drain || !x.request_complete;
  if (x.cluster != nullptr) ++x.cluster->stats.rq_class[std::min(reply.status / 100, 5)];
  if (!(grpc ? WriteGrpcReply(x, reply, down, now) : WriteReply(x, reply, down, now))) {
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

bool Engine::Impl::FinishReplyHeaders(const Exchange& x, Instant now, http::HeaderBlock* headers) {
  bool ok = headers->Add(Known::kDate, Date(now));
  ok &= headers->Add(Known::kServer, x.manager->server_name);
  return ok & MutateResponse({x.target == nullptr ? nullptr : &x.target->headers,
                              x.route == nullptr ? nullptr : &x.route->headers,
                              x.host_config == nullptr ? nullptr : &x.host_config->headers,
                              x.table == nullptr ? nullptr : &x.table->headers},
                             headers);
}

bool Engine::Impl::WriteReply(Exchange& x, const LocalReply& reply, Conn& down, Instant now) {
  http::HeaderBlock headers(pool_);
  bool ok = true;
  if (!reply.body.empty()) ok &= headers.Add(Known::kContentType, "text/plain");
  if (!reply.location.empty()) ok &= headers.Add(Known::kLocation, reply.location);
  if (reply.overloaded) ok &= headers.Add(Known::kEnvoyOverloaded, "true");
  ok &= FinishReplyHeaders(x, now, &headers);
  ok &= AddCorsHeaders(x, reply.preflight, &headers);
  if (x.limited) ok &= AddRateLimitHeaders(x, &headers);
  // RFC 9110 6.4.1: 1xx, 204 and 304 have no body.
  const bool bodiless = reply.status < 200 || reply.status == 204 || reply.status == 304;
  const std::string_view body =
      bodiless || x.head.method == "HEAD" ? std::string_view() : reply.body;
  Chain out;
  if (down.is_stream()) {
    if (!bodiless) ok &= headers.Add(Known::kContentLength, Cat(reply.body.size()));
    ok = ok && WriteStreamHead(down, reply.status, headers, body.empty());
  } else {
    http1::FramingOut framing{
        .announce_zero_length = !bodiless,
        .close = x.close_after,
        .keep_alive = !x.close_after && x.head.version == http::Version::kHttp10};
    if (!reply.body.empty() && !bodiless) {
      framing.framing = http::Framing::kLength;
      framing.content_length = reply.body.size();
    }
    ok = ok && http1::WriteResponseHead(reply.status, http::ReasonPhrase(reply.status), headers,
                                        framing, pool_, &out);
  }
  if (!ok || !AppendCopy(pool_, body, &out)) return false;
  x.bytes_sent += body.size();
  Write(down, std::move(out));
  return true;
}

// A gRPC caller looks at grpc-status alone: a trailers-only response.
bool Engine::Impl::WriteGrpcReply(const Exchange& x, const LocalReply& reply, Conn& down,
                                  Instant now) {
  http::HeaderBlock headers(pool_);
  bool ok = headers.Add(Known::kContentType, "application/grpc");
  ok &= headers.Add(Known::kGrpcStatus,
                    reply.grpc_status.empty() ? GrpcStatusOf(reply.status) : reply.grpc_status);
  if (!reply.body.empty()) ok &= headers.Add("grpc-message", GrpcMessage(reply.body));
  if (reply.overloaded) ok &= headers.Add(Known::kEnvoyOverloaded, "true");
  ok &= FinishReplyHeaders(x, now, &headers);
  ok &= AddCorsHeaders(x, /*preflight=*/false, &headers);
  if (x.limited) ok &= AddRateLimitHeaders(x, &headers);
  if (down.is_stream()) return ok && WriteStreamHead(down, 200, headers, true);
  Chain out;
  ok = ok && http1::WriteResponseHead(200, http::ReasonPhrase(200), headers,
                                      {.announce_zero_length = true, .close = x.close_after}, pool_,
                                      &out);
  if (ok) Write(down, std::move(out));
  return ok;
}

}  // namespace meltemi::engine
