#include "bench/load/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "control/common/flags.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"

namespace meltemi::load {
namespace {

using control::common::Flag;

constexpr char kUsage[] =
    "meltemi-load: open-loop HTTP/1.1 load generator and backend in one poll-mode process, on "
    "Meltemi's own\nTCP stack and ports.\n"
    "\n"
    "usage: meltemi-load --client-device DEV --client-address ADDR --target ADDR:PORT [flags]\n"
    "       meltemi-load --server-device DEV --server-address ADDR [flags]          (backend "
    "only)\n"
    "       meltemi-load --interactive ...      (each line of standard input is the flags of a "
    "run)\n"
    "\n"
    "DEV is a port of the node plane's kind: veth:NETDEV, virtio:SOCKET, vhost:SOCKET, "
    "af_xdp:NETDEV,\ntap:NETDEV, pci:ADDRESS. Both devices: client, proxy under test and backend "
    "form a triangle whose\ntwo ends are this process.\n"
    "\n"
    "With --rate the run is open loop: latency counts from the instant the schedule meant. Without "
    "it\neach connection sends its next request when the answer has come: what the other side can "
    "do at most.\n"
    "\n"
    "TLS is 1.3 on Meltemi's own record layer, with the same cipher suite towards every server. "
    "The load\nthread computes handshakes too, one a turn, unless there are --tls-threads: with "
    "--reuse per-request\nthe client's part of them is in the latency.\n"
    "\n"
    "Not there yet: HTTP/2 and gRPC.\n"
    "\nflags:\n";

struct Texts {
  std::string client_device, client_address, client_addresses = "1", client_gateway;
  std::string client_mac = "02:00:5e:00:00:01";
  std::string server_device, server_address, server_gateway;
  std::string server_mac = "02:00:5e:00:00:02";
  std::string server_port = "9080", response_bytes = "64", response_delay = "0us";
  std::string tls_ca, tls_cert, tls_key, tls_suites = TlsFiles{}.suites, tls_threads = "0";
  std::string backend_tls;
  std::string mtu = "1500", cpu, memory_mb = "128", hugepages, json, interactive, help, version;
};

struct RunTexts {
  std::string target, tls, tls_sni, connections, rate, arrival, reuse, requests_per_connection,
      warmup, duration, drain, connect_timeout, host, hosts, path, paths, request_bytes, seed;
};

// By ClientTls.
constexpr std::array<const char*, 3> kTlsKinds = {"off", "full", "resume"};

std::string Seconds(Duration d) { return Cat(d.micros(), "us"); }

RunTexts Describe(const RunOptions& o) {
  return {.target = o.target.port == 0 ? "" : o.target.ToString(),
          .tls = kTlsKinds[static_cast<size_t>(o.tls)],
          .tls_sni = o.sni,
          .connections = Cat(o.connections),
          .rate = o.rate > 0 ? Cat(o.rate) : "",
          .arrival = o.arrival == Arrival::kPoisson ? "poisson" : "constant",
          .reuse = o.reuse == Reuse::kKeepAlive ? "keep-alive" : "per-request",
          .requests_per_connection = Cat(o.requests_per_connection),
          .warmup = Seconds(o.warmup),
          .duration = Seconds(o.duration),
          .drain = Seconds(o.drain),
          .connect_timeout = Seconds(o.connect_timeout),
          .host = o.host,
          .hosts = Cat(o.hosts),
          .path = o.path,
          .paths = Cat(o.paths),
          .request_bytes = Cat(o.request_bytes),
          .seed = Cat(o.seed)};
}

std::vector<Flag> RunFlags(RunTexts* t) {
  return {
      {"target", "ADDR:PORT", "whom the client dials", &t->target},
      {"tls", "KIND", "of the client: off, full (handshakes), or resume", &t->tls},
      {"tls-sni", "NAME", "the server's name; with --tls-ca its certificate must have it",
       &t->tls_sni},
      {"connections", "N", "open at once", &t->connections, 'c'},
      {"rate", "N", "requests per second: open loop; absent: closed loop", &t->rate, 'r'},
      {"arrival", "KIND", "constant or poisson", &t->arrival},
      {"reuse", "KIND", "keep-alive, or per-request: a new connection for each", &t->reuse},
      {"requests-per-connection", "N", "then the connection stays idle; 0: no end",
       &t->requests_per_connection},
      {"warmup", "TIME", "before anything is measured", &t->warmup},
      {"duration", "TIME", "of measuring", &t->duration, 'd'},
      {"drain", "TIME", "how long answers are waited for at the end", &t->drain},
      {"connect-timeout", "TIME", "of a connection", &t->connect_timeout},
      {"host", "NAME", "of the requests; {} is replaced by 0 .. hosts-1", &t->host},
      {"hosts", "N", "different hosts", &t->hosts},
      {"path", "PATH", "of the requests; {} is replaced by 0 .. paths-1", &t->path},
      {"paths", "N", "different paths", &t->paths},
      {"request-bytes", "N", "of the request's body; 0: GET without one", &t->request_bytes},
      {"seed", "N", "of the Poisson schedule", &t->seed},
  };
}

std::vector<Flag> ProcessFlags(Texts* t) {
  return {
      {"client-device", "DEV", "the client's port", &t->client_device},
      {"client-address", "ADDR/BITS", "the client's address and network", &t->client_address},
      {"client-addresses", "N", "that many addresses, counting up", &t->client_addresses},
      {"client-gateway", "ADDR", "the client's default route", &t->client_gateway},
      {"client-mac", "MAC", "the client's link address", &t->client_mac},
      {"server-device", "DEV", "the backend's port", &t->server_device},
      {"server-address", "ADDR/BITS", "the backend's address and network", &t->server_address},
      {"server-gateway", "ADDR", "the backend's default route", &t->server_gateway},
      {"server-mac", "MAC", "the backend's link address", &t->server_mac},
      {"server-port", "PORT", "where the backend listens", &t->server_port},
      {"response-bytes", "N", "of the backend's response body", &t->response_bytes},
      {"response-delay", "TIME", "the backend answers after this", &t->response_delay},
      {"tls-ca", "FILE", "PEM; whom the client trusts; absent: whoever answers", &t->tls_ca},
      {"tls-cert", "FILE", "PEM; of the backend, and of a client that is asked for one",
       &t->tls_cert},
      {"tls-key", "FILE", "PEM; of --tls-cert", &t->tls_key},
      {"tls-suites", "LIST", "of TLS 1.3, by OpenSSL's names", &t->tls_suites},
      {"tls-threads", "N", "that compute handshakes; 0: the load thread does", &t->tls_threads},
      {"backend-tls", "", "the backend speaks TLS", &t->backend_tls},
      {"mtu", "N", "of both ports", &t->mtu},
      {"cpu", "N", "the CPU to run on", &t->cpu},
      {"memory-mb", "N", "packet memory", &t->memory_mb},
      {"hugepages", "", "packet memory in huge pages (DPDK ports)", &t->hugepages},
      {"json", "", "one line of JSON instead of text", &t->json},
      {"interactive", "", "runs from standard input, a line of JSON for each", &t->interactive},
      {"help", "", "print this and exit", &t->help},
      {"version", "", "print the version and exit", &t->version},
  };
}

absl::Status Bad(const std::string& flag, const std::string& text, const std::string& want) {
  return absl::InvalidArgumentError(Abs(Cat("--", flag, " ", text, ": ", want)));
}

template <typename T>
absl::Status Number(const std::string& flag, const std::string& text, T* out) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *out);
  if (result.ec != std::errc() || result.ptr != end) return Bad(flag, text, "not a number");
  return absl::OkStatus();
}

absl::Status Time(const std::string& flag, const std::string& text, Duration* out) {
  const absl::StatusOr<Duration> parsed = ParseDuration(text);
  if (!parsed.ok()) return Bad(flag, text, std::string(parsed.status().message()));
  *out = *parsed;
  return absl::OkStatus();
}

absl::Status Mac(const std::string& flag, const std::string& text, ip::MacAddr* out) {
  bool good = text.size() == 17;
  for (size_t i = 0; good && i < 6; ++i) {
    const char* at = text.data() + 3 * i;
    good = std::from_chars(at, at + 2, (*out)[i], 16).ptr == at + 2 && (i == 5 || at[2] == ':');
  }
  return good ? absl::OkStatus() : Bad(flag, text, "not a link address");
}

IpAddr Next(const IpAddr& a) {
  std::array<uint8_t, 16> bytes = a.bytes();
  for (int i = 15; i >= 0 && ++bytes[static_cast<size_t>(i)] == 0; --i) {
  }
  return a.v4() ? IpAddr::V4(bytes.data() + 12) : IpAddr::V6(bytes.data());
}

absl::Status Address(const std::string& flag, const std::string& text, StackOptions* out) {
  const size_t slash = text.find('/');
  const auto address = IpAddr::Parse(text.substr(0, slash));
  if (!address) return Bad(flag, text, "not an address");
  unsigned bits = address->v4() ? 24 : 64;
  if (slash != std::string::npos) {
    const absl::Status status = Number(flag, text.substr(slash + 1), &bits);
    if (!status.ok()) return status;
  }
  if (bits > (address->v4() ? 32u : 128u)) return Bad(flag, text, "too many bits");
  out->addresses = {*address};
  out->prefix_bits = static_cast<uint8_t>(bits);
  return absl::OkStatus();
}

absl::Status Gateway(const std::string& flag, const std::string& text, StackOptions* out) {
  if (text.empty()) return absl::OkStatus();
  out->gateway = IpAddr::Parse(text);
  return out->gateway ? absl::OkStatus() : Bad(flag, text, "not an address");
}

absl::Status ReadTarget(const std::string& text, SockAddr* out) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return Bad("target", text, "not ADDR:PORT");
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  const auto address = IpAddr::Parse(host);
  if (!address) return Bad("target", text, "not ADDR:PORT");
  out->ip = *address;
  return Number("target", text.substr(colon + 1), &out->port);
}

absl::Status ReadClientTls(const std::string& text, ClientTls* out) {
  const auto* found = std::find(kTlsKinds.begin(), kTlsKinds.end(), text);
  if (found == kTlsKinds.end()) return Bad("tls", text, "off, full or resume");
  *out = static_cast<ClientTls>(found - kTlsKinds.begin());
  return absl::OkStatus();
}

absl::Status ReadRun(const RunTexts& t, RunOptions* o) {
  absl::Status status;
  if (!t.target.empty()) status.Update(ReadTarget(t.target, &o->target));
  status.Update(ReadClientTls(t.tls, &o->tls));
  o->sni = t.tls_sni;
  status.Update(Number("connections", t.connections, &o->connections));
  if (!t.rate.empty() && !absl::SimpleAtod(t.rate, &o->rate)) {
    status.Update(Bad("rate", t.rate, "not a number"));
  }
  if (o->rate < 0) status.Update(Bad("rate", t.rate, "below zero"));
  if (t.arrival != "constant" && t.arrival != "poisson") {
    status.Update(Bad("arrival", t.arrival, "constant or poisson"));
  }
  o->arrival = t.arrival == "poisson" ? Arrival::kPoisson : Arrival::kConstant;
  if (t.reuse != "keep-alive" && t.reuse != "per-request") {
    status.Update(Bad("reuse", t.reuse, "keep-alive or per-request"));
  }
  o->reuse = t.reuse == "per-request" ? Reuse::kPerRequest : Reuse::kKeepAlive;
  status.Update(
      Number("requests-per-connection", t.requests_per_connection, &o->requests_per_connection));
  status.Update(Time("warmup", t.warmup, &o->warmup));
  status.Update(Time("duration", t.duration, &o->duration));
  status.Update(Time("drain", t.drain, &o->drain));
  status.Update(Time("connect-timeout", t.connect_timeout, &o->connect_timeout));
  o->host = t.host;
  o->path = t.path;
  status.Update(Number("hosts", t.hosts, &o->hosts));
  status.Update(Number("paths", t.paths, &o->paths));
  status.Update(Number("request-bytes", t.request_bytes, &o->request_bytes));
  status.Update(Number("seed", t.seed, &o->seed));
  if (o->hosts == 0 || o->paths == 0 || o->connections == 0) {
    status.Update(absl::InvalidArgumentError("--hosts, --paths and --connections: at least 1"));
  }
  return status;
}

absl::Status ReadSides(const Texts& t, ProcessOptions* o) {
  absl::Status status;
  o->client_device = t.client_device;
  o->server_device = t.server_device;
  if (t.client_device.empty() && t.server_device.empty()) {
    return absl::InvalidArgumentError("--client-device or --server-device is required");
  }
  if (!t.client_device.empty()) {
    status.Update(Address("client-address", t.client_address, &o->client));
    uint32_t count = 0;
    status.Update(Number("client-addresses", t.client_addresses, &count));
    if (!status.ok()) return status;
    while (o->client.addresses.size() < count) {
      o->client.addresses.push_back(Next(o->client.addresses.back()));
    }
  }
  if (!t.server_device.empty()) {
    status.Update(Address("server-address", t.server_address, &o->server));
  }
  status.Update(Gateway("client-gateway", t.client_gateway, &o->client));
  status.Update(Gateway("server-gateway", t.server_gateway, &o->server));
  status.Update(Mac("client-mac", t.client_mac, &o->client.mac));
  status.Update(Mac("server-mac", t.server_mac, &o->server.mac));
  status.Update(Number("server-port", t.server_port, &o->server.listen_port));
  status.Update(Number("mtu", t.mtu, &o->client.mtu));
  o->server.mtu = o->client.mtu;
  return status;
}

absl::Status ReadTls(const Texts& t, ProcessOptions* o) {
  o->tls = {.ca = t.tls_ca, .certificate = t.tls_cert, .key = t.tls_key, .suites = t.tls_suites};
  o->backend_tls = !t.backend_tls.empty();
  if (t.tls_cert.empty() != t.tls_key.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key: both or none");
  }
  if (o->backend_tls && t.tls_cert.empty()) {
    return absl::InvalidArgumentError("--backend-tls needs --tls-cert and --tls-key");
  }
  const absl::Status status = Number("tls-threads", t.tls_threads, &o->tls_threads);
  if (!status.ok()) return status;
  if (o->tls_threads < 0 || o->tls_threads > limits::kTlsHandshakeThreadCountMax) {
    return Bad("tls-threads", t.tls_threads, Cat("0 to ", limits::kTlsHandshakeThreadCountMax));
  }
  return absl::OkStatus();
}

absl::Status ReadProcess(const Texts& t, ProcessOptions* o) {
  absl::Status status = ReadSides(t, o);
  status.Update(ReadTls(t, o));
  status.Update(Number("response-bytes", t.response_bytes, &o->backend.response_bytes));
  status.Update(Time("response-delay", t.response_delay, &o->backend.response_delay));
  if (!t.cpu.empty()) status.Update(Number("cpu", t.cpu, &o->cpu));
  status.Update(Number("memory-mb", t.memory_mb, &o->memory_mb));
  o->hugepages = !t.hugepages.empty();
  o->json = !t.json.empty();
  o->interactive = !t.interactive.empty();
  return status;
}

}  // namespace

absl::StatusOr<Duration> ParseDuration(const std::string& text) {
  size_t digits = text.find_first_not_of("0123456789.");
  if (digits == std::string::npos) digits = text.size();
  double value = 0;
  const std::string unit = text.substr(digits);
  const bool good = absl::SimpleAtod(text.substr(0, digits), &value);
  const double scale = unit == "us" ? 1e3 : unit == "ms" ? 1e6 : unit == "s" ? 1e9 : 0;
  if (!good || scale == 0) return absl::InvalidArgumentError("not a time such as 250ms, 3s, 50us");
  return Duration::Nanos(static_cast<int64_t>(value * scale));
}

absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& args) {
  Options options;
  Texts texts;
  RunTexts run = Describe(options.run);
  std::vector<Flag> flags = ProcessFlags(&texts);
  for (Flag& flag : RunFlags(&run)) flags.push_back(flag);
  options.process.help = Cat(kUsage, control::common::DescribeFlags(flags));
  const auto rest = control::common::ParseFlags(args, flags);
  if (!rest.ok()) return rest.status();
  options.process.wants_help = !texts.help.empty();
  options.process.wants_version = !texts.version.empty();
  if (options.process.wants_help || options.process.wants_version) return options;
  if (!rest->empty()) {
    return absl::InvalidArgumentError(Abs(Cat("what is \"", rest->front(), "\"?")));
  }
  absl::Status status = ReadProcess(texts, &options.process);
  status.Update(ReadRun(run, &options.run));
  if (!status.ok()) return status;
  const ProcessOptions& p = options.process;
  if (!p.client_device.empty() && !p.interactive && options.run.target.port == 0) {
    return absl::InvalidArgumentError("--target is required");
  }
  return options;
}

absl::StatusOr<RunOptions> ParseRun(const std::string& line, const RunOptions& defaults) {
  std::istringstream words(line);
  std::vector<std::string> args;
  for (std::string word; words >> word;) args.push_back(word);
  RunTexts texts = Describe(defaults);
  const auto rest = control::common::ParseFlags(args, RunFlags(&texts));
  if (!rest.ok()) return rest.status();
  if (!rest->empty()) {
    return absl::InvalidArgumentError(Abs(Cat("what is \"", rest->front(), "\"?")));
  }
  RunOptions options = defaults;
  const absl::Status status = ReadRun(texts, &options);
  if (!status.ok()) return status;
  if (options.target.port == 0) return absl::InvalidArgumentError("--target is required");
  return options;
}

}  // namespace meltemi::load
