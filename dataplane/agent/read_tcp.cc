#include "dataplane/agent/read_tcp.h"

#include <string>

namespace meltemi::agent {
namespace {

config::TcpKeepalive ReadKeepalive(Reader in) {
  using Keepalive = config::TcpKeepalive;
  Keepalive out;
  const auto count = [&](const char* key, int64_t fallback, int64_t max) {
    return in.Int(key, fallback, 1, max);
  };
  out.time_s =
      static_cast<uint16_t>(count("time_s", Keepalive::kTimeDefault, Keepalive::kSecondsMax));
  out.interval_s = static_cast<uint16_t>(
      count("interval_s", Keepalive::kIntervalDefault, Keepalive::kSecondsMax));
  out.probes =
      static_cast<uint8_t>(count("probes", Keepalive::kProbesDefault, Keepalive::kProbesMax));
  in.Finish();
  return out;
}

}  // namespace

void ReadTcp(Reader* in, Bootstrap* out) {
  const std::string algorithm = in->Text("congestion_control", "CUBIC");
  if (algorithm != "CUBIC" && algorithm != "NEW_RENO") {
    in->Fail("congestion_control", "must be CUBIC or NEW_RENO");
  }
  out->new_reno = algorithm == "NEW_RENO";
  if (in->Has("tcp_keepalive")) out->tcp_keepalive = ReadKeepalive(in->Child("tcp_keepalive"));
}

}  // namespace meltemi::agent
