// Upgrade: h2c (RFC 7540 3.2), which RFC 9113 has taken back and clients still offer: curl --http2,
// nghttp -u, Java. The request becomes stream 1 of an HTTP/2 connection. Envoy ignores the offer;
// where it cannot be taken (TLS, a body, codec_type HTTP1), so is it here.
#include <string>
#include <utility>

#include "l7/engine/impl.h"
#include "l7/http/validate.h"
#include "l7/http2/upgrade.h"

namespace meltemi::engine {

bool Engine::Impl::BecomeHttp2ByUpgrade(Conn& down, Instant now) {
  const http::RequestHead& offer = down.requests()->head();
  const bool takes =
      ManagerOf(down).codec == config::HttpCodec::kAuto && !down.secure && !down.is_stream();
  if (!takes || offer.framing != http::Framing::kNone || offer.upgrade) return false;
  std::string settings;
  if (!http2::DecodeSettingsHeader(offer.headers.Get("http2-settings"), &settings)) {
    RefuseRequest(down, http::Reject::kHttp2Settings, now);
    return true;
  }
  Chain answer;
  if (!AppendCopy(pool_,
                  "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n",
                  &answer)) {
    return false;  // HTTP/1.1 asks for no less memory, but the reply then says so
  }
  ++counters_.http2_upgraded;
  http::RequestHead head = down.requests()->TakeHead();
  http::RemoveHopByHop(&head.headers);
  head.version = http::Version::kHttp2;
  head.keep_alive = true;
  head.h2c = false;
  timers_->Cancel(&down.timer);
  down.timer.kind = static_cast<uint8_t>(TimerKind::kConnIdle);
  Write(down, std::move(answer));
  BecomeHttp2(down, now);
  const ConnId id = down.id;
  if (!down.http2->session.BeginUpgraded(settings, now)) {  // a value that no SETTINGS may have
    ++counters_.http2_connection_errors;
    EndCarrier(down, now);
    return true;
  }
  BeginStream(down, 1, std::move(head), now);
  PumpHttp2(id, now);  // what has come behind the request
  return true;
}

}  // namespace meltemi::engine
