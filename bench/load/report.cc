#include "bench/load/report.h"

#include <array>
#include <cstdio>
#include <utility>

#include "l7/base/text.h"

namespace meltemi::load {
namespace {

constexpr std::array<std::pair<const char*, double>, 6> kQuantiles = {{{"p50", 0.5},
                                                                       {"p75", 0.75},
                                                                       {"p90", 0.9},
                                                                       {"p99", 0.99},
                                                                       {"p99.9", 0.999},
                                                                       {"p99.99", 0.9999}}};

template <typename... Args>
std::string Format(const char* format, Args... args) {
  std::array<char, 512> text;
  const int n = std::snprintf(text.data(), text.size(), format, args...);
  return std::string(text.data(), static_cast<size_t>(n));
}

double Micros(Duration d) { return static_cast<double>(d.nanos()) / 1e3; }

double PerSecond(uint64_t count, Duration d) {
  return d.nanos() > 0 ? static_cast<double>(count) / d.seconds() : 0.0;
}

std::string Line(const char* name, const Histogram& h) {
  return Format("%-9s %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f  us\n", name,
                Micros(h.mean()), Micros(h.Percentile(0.5)), Micros(h.Percentile(0.75)),
                Micros(h.Percentile(0.9)), Micros(h.Percentile(0.99)), Micros(h.Percentile(0.999)),
                Micros(h.Percentile(0.9999)), Micros(h.max()));
}

// Names and paths are ours or from the command line: quotes and backslashes only.
std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

std::string HistogramJson(const Histogram& h) {
  std::string out = Cat("{\"count\":", h.count(), ",\"mean\":", h.mean().nanos(),
                        ",\"min\":", h.min().nanos(), ",\"max\":", h.max().nanos());
  for (const auto& [name, quantile] : kQuantiles) {
    AppendTo(&out, ",\"", name, "\":", h.Percentile(quantile).nanos());
  }
  out += ",\"buckets\":[";
  bool first = true;
  for (const Histogram::Bucket& bucket : h.NonEmpty()) {
    AppendTo(&out, first ? "[" : ",[", bucket.upto.nanos(), ",", bucket.count, "]");
    first = false;
  }
  return out + "]}";
}

std::string ErrorsJson(const Errors& e) {
  return Cat("{\"connect\":", e.connect, ",\"handshake\":", e.handshake, ",\"closed\":", e.closed,
             ",\"status\":", e.status, ",\"message\":", e.message, ",\"unfinished\":", e.unfinished,
             ",\"total\":", e.total(), "}");
}

const char* NameOf(ClientTls tls) {
  switch (tls) {
    case ClientTls::kOff:
      return "off";
    case ClientTls::kFull:
      return "full";
    case ClientTls::kResume:
      return "resume";
  }
  return "";
}

std::string TlsJson(const RunOptions& o, const TlsCounts& t) {
  return Cat("{\"mode\":\"", NameOf(o.tls), "\",\"full\":", t.full, ",\"resumed\":", t.resumed,
             ",\"failed\":", t.failed, ",\"cipher\":", Quoted(t.cipher), "}");
}

std::string ScheduleName(const RunOptions& o) {
  if (o.rate <= 0) return "closed loop";
  return Format("open loop, %.0f requests/s, %s", o.rate,
                o.arrival == Arrival::kPoisson ? "Poisson" : "constant");
}

}  // namespace

std::string ToText(const RunOptions& o, const RunResult& r, const Effort& e) {
  if (!r.problem.empty()) {
    const std::string tls =
        o.tls == ClientTls::kOff ? "" : Cat("; ", r.tls.failed, " handshakes failed");
    return Cat("no result: ", r.problem, tls, "\n");
  }
  std::string out =
      Format("%s, %u connections%s, %.1f s\n", ScheduleName(o).c_str(), o.connections,
             o.reuse == Reuse::kPerRequest ? ", one for each request" : "", r.measured.seconds());
  out += Format("requests  %llu, %.0f/s, %.1f MB/s of bodies\n",
                static_cast<unsigned long long>(r.requests), PerSecond(r.requests, r.measured),
                PerSecond(r.body_bytes, r.measured) / 1e6);
  const Errors& errors = r.errors;
  out += Cat("errors    ", errors.total(), ": connect ", errors.connect, ", handshake ",
             errors.handshake, ", closed ", errors.closed, ", status ", errors.status, ", message ",
             errors.message, ", unfinished ", errors.unfinished, "\n");
  if (o.tls != ClientTls::kOff) {
    out += Cat("tls       ", r.tls.full, " full handshakes, ", r.tls.resumed, " resumed, ",
               r.tls.failed, " failed; ", r.tls.cipher, "\n");
  }
  out += Format("%-9s %9s %9s %9s %9s %9s %9s %9s %9s\n", "", "mean", "p50", "p75", "p90", "p99",
                "p99.9", "p99.99", "max");
  out += Line("latency", r.latency);
  out += Line("service", r.service);
  if (o.rate > 0) out += Line("lateness", r.lateness);
  out += Format(
      "generator busy %.0f %% of its time, %llu packets in, %llu out, %llu sent again\n",
      e.total_nanos == 0
          ? 0.0
          : 100.0 * static_cast<double>(e.busy_nanos) / static_cast<double>(e.total_nanos),
      static_cast<unsigned long long>(e.packets_in), static_cast<unsigned long long>(e.packets_out),
      static_cast<unsigned long long>(e.retransmits));
  return out;
}

std::string ToJson(const RunOptions& o, const RunResult& r, const Effort& e) {
  return Cat(
      "{\"problem\":", Quoted(r.problem), ",\"target\":", Quoted(o.target.ToString()),
      ",\"rate\":", o.rate, ",\"arrival\":\"",
      o.rate <= 0 ? "closed" : (o.arrival == Arrival::kPoisson ? "poisson" : "constant"),
      "\",\"connections\":", o.connections, ",\"reuse\":\"",
      o.reuse == Reuse::kKeepAlive ? "keep-alive" : "per-request",
      "\",\"request_bytes\":", o.request_bytes, ",\"seconds\":", r.measured.seconds(),
      ",\"requests\":", r.requests, ",\"requests_total\":", r.requests_total,
      ",\"requests_per_second\":", PerSecond(r.requests, r.measured),
      ",\"body_bytes\":", r.body_bytes, ",\"connections_opened\":", r.connections_opened,
      ",\"tls\":", TlsJson(o, r.tls), ",\"errors\":", ErrorsJson(r.errors),
      ",\"latency_ns\":", HistogramJson(r.latency), ",\"service_ns\":", HistogramJson(r.service),
      ",\"lateness_ns\":", HistogramJson(r.lateness), ",\"generator\":{\"busy_ns\":", e.busy_nanos,
      ",\"total_ns\":", e.total_nanos, ",\"packets_in\":", e.packets_in,
      ",\"packets_out\":", e.packets_out, ",\"retransmits\":", e.retransmits,
      ",\"backend_requests\":", e.backend_requests,
      ",\"backend_connections\":", e.backend_connections, ",\"backend_open\":", e.backend_open,
      ",\"backend_handshakes\":", e.backend_handshakes, "}}");
}

}  // namespace meltemi::load
