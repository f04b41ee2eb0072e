#include "l7/telemetry/access_log.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string>
#include <type_traits>
#include <vector>

#include "l7/base/text.h"
#include "l7/telemetry/civil_time.h"

namespace meltemi::telemetry {
namespace {

// Absent values are "-".
void AppendOrDash(std::string_view text, std::string* out) {
  out->append(text.empty() ? "-" : text);
}

void AppendAddress(const SockAddr& a, bool with_port, std::string* out) {
  if (a.port == 0) return AppendOrDash("", out);
  out->append(with_port ? a.ToString() : a.ip.ToString());
}

void AppendStartTime(const AccessRecord& r, std::string* out) {
  const time_t seconds = r.start_unix_nanos / 1'000'000'000;
  tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  const size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + n, sizeof(text) - n, ".%03dZ",
                static_cast<int>(r.start_unix_nanos / 1'000'000 % 1000));
  out->append(text);
}

void AppendSecond(int64_t unix_seconds, std::string* out) {
  if (unix_seconds == 0) return AppendOrDash("", out);
  out->append(IsoMilliseconds(unix_seconds * 1'000'000'000));
}

// Of `peers`, what Envoy has of a certificate. A peer that is known by its port has a URI alone.
enum class End { kDownstream, kUpstream };
template <End end>
const PeerIdentity* PeerOf(const AccessRecord& r) {
  if (r.peers == nullptr) return nullptr;
  return end == End::kDownstream ? &r.peers->downstream : &r.peers->upstream;
}
template <End end>
TlsSession SessionOf(const AccessRecord& r) {
  if (r.peers == nullptr) return {};
  return end == End::kDownstream ? r.peers->downstream_tls : r.peers->upstream_tls;
}

void AppendAll(const std::vector<std::string>& texts, std::string* out) {
  if (texts.empty()) return AppendOrDash("", out);
  for (const std::string& text : texts) AppendTo(out, &text == &texts.front() ? "" : ",", text);
}

template <End end>
void AppendUris(const AccessRecord& r, std::string* out) {
  const PeerIdentity* peer = PeerOf<end>(r);
  if (peer == nullptr) return AppendOrDash("", out);
  if (peer->certificate == nullptr) return AppendOrDash(peer->principal, out);
  AppendAll(peer->certificate->uris, out);
}

template <End end, auto member>
void AppendCertificate(const AccessRecord& r, std::string* out) {
  const PeerIdentity* peer = PeerOf<end>(r);
  if (peer == nullptr || peer->certificate == nullptr) return AppendOrDash("", out);
  const auto& value = (*peer->certificate).*member;
  if constexpr (std::is_same_v<decltype(value), const std::string&>) {
    AppendOrDash(value, out);
  } else if constexpr (std::is_same_v<decltype(value), const int64_t&>) {
    AppendSecond(value, out);
  } else {
    AppendAll(value, out);
  }
}

void AppendLocalUris(const AccessRecord& r, std::string* out) {
  if (r.peers == nullptr) return AppendOrDash("", out);
  AppendAll(r.peers->downstream.local, out);
}

template <End end>
void AppendTlsVersion(const AccessRecord& r, std::string* out) {
  AppendOrDash(TlsVersionText(SessionOf<end>(r).version), out);
}

template <End end>
void AppendCipher(const AccessRecord& r, std::string* out) {
  AppendOrDash(CipherText(SessionOf<end>(r).cipher_suite), out);
}

void AppendProtocol(const AccessRecord& r, std::string* out) {
  switch (r.protocol) {
    case Protocol::kNone:
      return AppendOrDash("", out);
    case Protocol::kHttp10:
      return AppendTo(out, "HTTP/1.0");
    case Protocol::kHttp11:
      return AppendTo(out, "HTTP/1.1");
    case Protocol::kHttp2:
      return AppendTo(out, "HTTP/2");
  }
}

using Formatter = void (*)(const AccessRecord&, std::string*);
struct Operator {
  std::string_view name;  // with its argument, in upper case
  Formatter formatter;
};

constexpr Operator kOperators[] = {
    {"START_TIME", AppendStartTime},
    {"PROTOCOL", AppendProtocol},
    {"RESPONSE_CODE",
     [](const AccessRecord& r, std::string* out) { AppendTo(out, uint32_t{r.response_code}); }},
    {"RESPONSE_FLAGS",
     [](const AccessRecord& r, std::string* out) { AppendResponseFlags(r.response_flags, out); }},
    {"RESPONSE_CODE_DETAILS",
     [](const AccessRecord& r, std::string* out) {
       AppendOrDash(r.response_code_details.view(), out);
     }},
    {"BYTES_RECEIVED",
     [](const AccessRecord& r, std::string* out) { AppendTo(out, r.bytes_received); }},
    {"BYTES_SENT", [](const AccessRecord& r, std::string* out) { AppendTo(out, r.bytes_sent); }},
    {"DURATION",
     [](const AccessRecord& r, std::string* out) { AppendTo(out, r.duration.millis()); }},
    {"REQ(:METHOD)",
     [](const AccessRecord& r, std::string* out) { AppendOrDash(r.method.view(), out); }},
    {"REQ(X-ENVOY-ORIGINAL-PATH?:PATH)",
     [](const AccessRecord& r, std::string* out) { AppendOrDash(r.path.view(), out); }},
    {"REQ(:PATH)",
     [](const AccessRecord& r, std::string* out) { AppendOrDash(r.path.view(), out); }},
    {"REQ(:AUTHORITY)",
     [](const AccessRecord& r, std::string* out) { AppendOrDash(r.authority.view(), out); }},
    {"REQ(X-FORWARDED-FOR)",
     [](const AccessRecord& r, std::string* out) { AppendOrDash(r.forwarded_for.view(), out); }},
    {"REQ(USER-AGENT)",
     [](const AccessRecord& r, std::string* out) { AppendOrDash(r.user_agent.view(), out); }},
    {"REQ(X-REQUEST-ID)",
     [](const AccessRecord& r, std::string* out) { AppendOrDash(r.request_id.view(), out); }},
    {"RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)",
     [](const AccessRecord& r, std::string* out) {
       if (r.upstream_service_time < Duration()) return AppendOrDash("", out);
       AppendTo(out, r.upstream_service_time.millis());
     }},
    {"UPSTREAM_HOST",
     [](const AccessRecord& r, std::string* out) { AppendAddress(r.upstream_host, true, out); }},
    {"UPSTREAM_CLUSTER",
     [](const AccessRecord& r, std::string* out) { AppendOrDash(r.upstream_cluster.view(), out); }},
    {"UPSTREAM_CLUSTER_RAW",
     [](const AccessRecord& r, std::string* out) { AppendOrDash(r.upstream_cluster.view(), out); }},
    {"UPSTREAM_LOCAL_ADDRESS",
     [](const AccessRecord& r, std::string* out) { AppendAddress(r.upstream_local, true, out); }},
    {"UPSTREAM_TRANSPORT_FAILURE_REASON",
     [](const AccessRecord& r, std::string* out) {
       AppendOrDash(r.upstream_failure_reason.view(), out);
     }},
    {"UPSTREAM_REQUEST_ATTEMPT_COUNT",
     [](const AccessRecord& r, std::string* out) { AppendTo(out, uint32_t{r.attempt_count}); }},
    {"CONNECTION_TERMINATION_DETAILS",
     [](const AccessRecord&, std::string* out) { AppendOrDash("", out); }},
    {"REQUESTED_SERVER_NAME", [](const AccessRecord&, std::string* out) { AppendOrDash("", out); }},
    {"ROUTE_NAME",
     [](const AccessRecord& r, std::string* out) { AppendOrDash(r.route_name.view(), out); }},
    {"DOWNSTREAM_REMOTE_ADDRESS",
     [](const AccessRecord& r, std::string* out) {
       AppendAddress(r.downstream_remote, true, out);
     }},
    {"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
     [](const AccessRecord& r, std::string* out) {
       AppendAddress(r.downstream_remote, false, out);
     }},
    {"DOWNSTREAM_LOCAL_ADDRESS",
     [](const AccessRecord& r, std::string* out) { AppendAddress(r.downstream_local, true, out); }},
    {"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
     [](const AccessRecord& r, std::string* out) {
       AppendAddress(r.downstream_local, false, out);
     }},
    {"DOWNSTREAM_PEER_URI_SAN", AppendUris<End::kDownstream>},
    {"DOWNSTREAM_PEER_DNS_SAN", AppendCertificate<End::kDownstream, &PeerCertificate::dns_names>},
    {"DOWNSTREAM_LOCAL_URI_SAN", AppendLocalUris},
    {"DOWNSTREAM_PEER_SUBJECT", AppendCertificate<End::kDownstream, &PeerCertificate::subject>},
    {"DOWNSTREAM_PEER_ISSUER", AppendCertificate<End::kDownstream, &PeerCertificate::issuer>},
    {"DOWNSTREAM_PEER_SERIAL", AppendCertificate<End::kDownstream, &PeerCertificate::serial>},
    {"DOWNSTREAM_PEER_FINGERPRINT_256",
     AppendCertificate<End::kDownstream, &PeerCertificate::sha256>},
    {"DOWNSTREAM_PEER_CERT_V_START",
     AppendCertificate<End::kDownstream, &PeerCertificate::not_before>},
    {"DOWNSTREAM_PEER_CERT_V_END",
     AppendCertificate<End::kDownstream, &PeerCertificate::not_after>},
    {"DOWNSTREAM_TLS_VERSION", AppendTlsVersion<End::kDownstream>},
    {"DOWNSTREAM_TLS_CIPHER", AppendCipher<End::kDownstream>},
    {"UPSTREAM_PEER_URI_SAN", AppendUris<End::kUpstream>},
    {"UPSTREAM_PEER_DNS_SAN", AppendCertificate<End::kUpstream, &PeerCertificate::dns_names>},
    {"UPSTREAM_PEER_SUBJECT", AppendCertificate<End::kUpstream, &PeerCertificate::subject>},
    {"UPSTREAM_PEER_ISSUER", AppendCertificate<End::kUpstream, &PeerCertificate::issuer>},
    {"UPSTREAM_PEER_CERT_V_START", AppendCertificate<End::kUpstream, &PeerCertificate::not_before>},
    {"UPSTREAM_PEER_CERT_V_END", AppendCertificate<End::kUpstream, &PeerCertificate::not_after>},
    {"UPSTREAM_TLS_VERSION", AppendTlsVersion<End::kUpstream>},
    {"UPSTREAM_TLS_CIPHER", AppendCipher<End::kUpstream>},
};

Formatter FindOperator(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return toupper(c); });
  for (const Operator& o : kOperators) {
    if (o.name == name) return o.formatter;
  }
  return nullptr;
}

}  // namespace

void AppendResponseFlags(uint32_t flags, std::string* out) {
  constexpr std::string_view kNames[] = {"UH",  "UF",  "UO", "NR", "URX",  "NC", "UT",
                                         "LR",  "UR",  "UC", "DC", "DI",   "FI", "SI",
                                         "DPE", "UPE", "OM", "DT", "UAEX", "RL"};
  bool any = false;
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if ((flags & (1u << i)) == 0) continue;
    AppendTo(out, any ? "," : "", kNames[i]);
    any = true;
  }
  if (!any) out->push_back('-');
}

absl::StatusOr<AccessLogFormat> AccessLogFormat::Parse(std::string_view format) {
  AccessLogFormat out;
  Part part;
  for (size_t i = 0; i < format.size();) {
    if (format[i] != '%') {
      part.literal.push_back(format[i++]);
      continue;
    }
    if (i + 1 < format.size() && format[i + 1] == '%') {  // "%%" is a percent sign
      part.literal.push_back('%');
      i += 2;
      continue;
    }
    const size_t end = format.find('%', i + 1);
    if (end == std::string_view::npos) {
      return absl::InvalidArgumentError(Cat("unterminated operator at position ", i));
    }
    std::string name(format.substr(i + 1, end - i - 1));
    const size_t colon = name.rfind(':');
    if (colon != std::string::npos && colon > name.rfind(')') &&
        name.rfind(')') != std::string::npos) {
      size_t length = 0;
      const auto [p, ec] =
          std::from_chars(name.data() + colon + 1, name.data() + name.size(), length);
      if (ec != std::errc() || p != name.data() + name.size()) {
        return absl::InvalidArgumentError(Cat("not a length in %", name, "%"));
      }
      part.length_max = length;
      name.resize(colon);
    }
    part.formatter = FindOperator(name);
    if (part.formatter == nullptr) {
      return absl::InvalidArgumentError(Cat("operator %", name, "% is not supported"));
    }
    out.parts_.push_back(std::move(part));
    part = Part{};
    i = end + 1;
  }
  if (!part.literal.empty()) out.parts_.push_back(std::move(part));
  return out;
}

size_t AccessLogFormat::OperatorCount() { return std::size(kOperators); }

void AccessLogFormat::Append(const AccessRecord& record, std::string* out) const {
  for (const Part& part : parts_) {
    out->append(part.literal);
    if (part.formatter == nullptr) continue;
    const size_t before = out->size();
    part.formatter(record, out);
    if (out->size() - before > part.length_max) out->resize(before + part.length_max);
  }
}

}  // namespace meltemi::telemetry
