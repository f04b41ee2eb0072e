#include "bench/load/program.h"

#include <poll.h>
#include <sys/random.h>
#include <time.h>

#include <array>
#include <fstream>
#include <iterator>
#include <utility>

#include "dataplane/nic/make_port.h"
#include "l7/base/text.h"

namespace meltemi::load {
namespace {

constexpr Duration kOpenFor = Duration::Seconds(10);  // the other side may start later
constexpr Duration kLinkFor = Duration::Seconds(10);
constexpr Duration kNap = Duration::Millis(5);  // between looks at ports that cannot wake us

Instant Now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return Instant::FromNanos(int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec);
}

WallClock ReadWallClock() {
  timespec wall{};
  clock_gettime(CLOCK_REALTIME, &wall);
  return {.offset_nanos = int64_t{wall.tv_sec} * 1'000'000'000 + wall.tv_nsec - Now().nanos()};
}

// An empty path: an empty text.
absl::Status ReadFile(const std::string& path, std::string* text) {
  if (path.empty()) return absl::OkStatus();
  std::ifstream file(path);
  text->assign(std::istreambuf_iterator<char>(file), {});
  if (text->empty()) return absl::NotFoundError(Abs(Cat(path, ": cannot be read")));
  return absl::OkStatus();
}

void SleepFor(Duration d) {
  const timespec t{.tv_sec = d.nanos() / 1'000'000'000, .tv_nsec = d.nanos() % 1'000'000'000};
  nanosleep(&t, nullptr);
}

template <typename T>
T RandomValue() {
  T value{};
  CHECK(getrandom(&value, sizeof(value), 0) == static_cast<ssize_t>(sizeof(value)));
  return value;
}

void Seed(StackOptions* options) {
  options->seed = RandomValue<uint64_t>();
  options->tcp.isn_key = RandomValue<std::array<uint8_t, 16>>();
  // Each tuple is used again soon in runs with many connections: what TIME-WAIT protects from does
  // not happen on these wires.
  options->tcp.time_wait = Duration::Millis(1);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Program>> Program::Open(ProcessOptions options,
                                                       const Stopped& stopped) {
  Seed(&options.client);
  Seed(&options.server);
  std::unique_ptr<Program> program(new Program(std::move(options)));
  const ProcessOptions& o = program->options_;
  std::vector<std::string> devices;
  for (const std::string& device : {o.client_device, o.server_device}) {
    if (!device.empty()) devices.push_back(device);
  }
  auto pools = nic::PacketPools::Create(
      devices, {.workers = 1, .memory_mb = o.memory_mb, .hugepages = o.hugepages});
  if (!pools.ok()) return pools.status();
  program->pools_ = *std::move(pools);
  packet::PacketPool* pool = &program->pools_->pool(0);
  absl::Status status;
  if (!o.client_device.empty()) {
    status = program->OpenPort(o.client_device, "client", stopped, &program->client_port_);
    if (!status.ok()) return status;
    program->client_ = std::make_unique<Stack>(o.client, program->client_port_.get(), pool, Now());
  }
  if (!o.server_device.empty()) {
    status = program->OpenPort(o.server_device, "server", stopped, &program->server_port_);
    if (!status.ok()) return status;
    program->server_ = std::make_unique<Stack>(o.server, program->server_port_.get(), pool, Now());
    program->backend_ = std::make_unique<Backend>(o.backend, program->server_.get());
  }
  status = program->OpenTls();
  if (!status.ok()) return status;
  program->WaitForLinks(stopped);
  return program;
}

Program::~Program() {
  backend_.reset();
  client_.reset();
  server_.reset();
  for (auto* port : {client_port_.get(), server_port_.get()}) {
    if (port != nullptr) port->Close();
  }
}

absl::Status Program::OpenPort(const std::string& device, const std::string& name,
                               const Stopped& stopped, std::unique_ptr<nic::Port>* port) {
  const Instant begun = Now();
  while (true) {
    auto opened = nic::MakePort(
        device, {.name = name, .mtu = options_.client.mtu, .workers = 1, .pools = pools_->dpdk()});
    if (opened.ok()) {
      *port = *std::move(opened);
      return absl::OkStatus();
    }
    if (stopped() || Now() - begun > kOpenFor) return opened.status();
    SleepFor(Duration::Millis(100));
  }
}

absl::Status Program::OpenTls() {
  const TlsFiles& files = options_.tls;
  TlsTexts texts{.suites = files.suites};
  absl::Status status = ReadFile(files.ca, &texts.ca);
  status.Update(ReadFile(files.certificate, &texts.certificate.chain_pem));
  status.Update(ReadFile(files.key, &texts.certificate.key_pem));
  if (!status.ok()) return status;
  auto contexts = MakeTlsContexts(texts);
  if (!contexts.ok()) return contexts.status();
  tls_contexts_ = *std::move(contexts);
  handshakes_ = std::make_unique<Handshakes>(options_.tls_threads);
  if (options_.backend_tls && server_ != nullptr) {
    server_->UseTls(ReadWallClock(), handshakes_->server(), Now());
    server_->tls()->set_server(tls_contexts_.server);
  }
  return absl::OkStatus();
}

void Program::UseClientTls(const RunOptions& run) {
  if (client_->tls() == nullptr) {
    if (run.tls == ClientTls::kOff) return;
    client_->UseTls(ReadWallClock(), handshakes_->client(), Now());
  }
  client_->tls()->set_client(ClientOf(run, tls_contexts_));
}

// A vhost-user link is up when the other process has come.
void Program::WaitForLinks(const Stopped& stopped) {
  const Instant begun = Now();
  const auto up = [](const std::unique_ptr<nic::Port>& port) {
    return port == nullptr || port->state() == nic::PortState::kUp;
  };
  while (!stopped() && Now() - begun < kLinkFor && !(up(client_port_) && up(server_port_))) {
    Idle(Duration::Millis(20), -1);
  }
}

void Program::ServeOnce(Effort* effort) {
  if (server_ == nullptr) return;
  const Instant now = Now();
  bool busy = server_->Receive(now);
  busy |= backend_->Turn(now);
  busy |= server_->Transmit(now);
  if (busy && effort != nullptr) {
    effort->busy_nanos += static_cast<uint64_t>((Now() - now).nanos());
  }
}

void Program::ReadCounters(Effort* effort) const {
  if (client_ != nullptr) {
    effort->packets_in = client_port_->rx_counters(0).rx_packets;
    effort->packets_out = client_port_->tx_counters(0).tx_packets;
    effort->retransmits = client_->tcp().counters().retransmits;
  }
  if (server_ == nullptr) return;
  effort->retransmits += server_->tcp().counters().retransmits;
  effort->backend_requests = backend_->requests();
  effort->backend_connections = backend_->accepted();
  effort->backend_open = backend_->connection_count();
  if (server_->tls() != nullptr) {
    effort->backend_handshakes = server_->tls()->counters().handshakes_done;
  }
}

void Program::Run(const RunOptions& options, const Stopped& stopped, RunResult* result,
                  Effort* effort) {
  Effort before;
  ReadCounters(&before);
  UseClientTls(options);
  const Instant begun = Now();
  {
    Generator generator(options, client_.get(), begun);
    while (!generator.done() && !stopped()) {
      const Instant now = Now();
      bool busy = client_->Receive(now);
      busy |= generator.Turn(now);
      busy |= client_->Transmit(now);
      if (busy) effort->busy_nanos += static_cast<uint64_t>((Now() - now).nanos());
      ServeOnce(effort);
    }
    *result = generator.result();
  }
  effort->total_nanos = static_cast<uint64_t>((Now() - begun).nanos());
  Effort after;
  ReadCounters(&after);
  effort->packets_in = after.packets_in - before.packets_in;
  effort->packets_out = after.packets_out - before.packets_out;
  effort->retransmits = after.retransmits - before.retransmits;
  effort->backend_requests = after.backend_requests - before.backend_requests;
  effort->backend_connections = after.backend_connections - before.backend_connections;
  effort->backend_open = after.backend_open;
  effort->backend_handshakes = after.backend_handshakes - before.backend_handshakes;
  Idle(Duration::Millis(20), -1);  // the connections' ends go out
}

bool Program::Idle(Duration time, int fd) {
  const Instant end = Now() + time;
  while (true) {
    const Instant now = Now();
    if (client_ != nullptr) {
      client_->Receive(now);
      client_->events().clear();
      client_->Transmit(now);
    }
    ServeOnce(nullptr);
    const bool due = server_ != nullptr && server_->tls() != nullptr && server_->tls()->due();
    std::array<pollfd, 3> fds;
    nfds_t count = 0;
    if (fd >= 0) fds[count++] = {.fd = fd, .events = POLLIN, .revents = 0};
    for (const auto* port : {client_port_.get(), server_port_.get()}) {
      if (port != nullptr && port->event_fd(0) >= 0) {
        fds[count++] = {.fd = port->event_fd(0), .events = POLLIN, .revents = 0};
      }
    }
    // Handshakes that wait are no reason for a port to wake us.
    const int ready = poll(fds.data(), count, due ? 0 : static_cast<int>(kNap.millis()));
    if (ready > 0 && fd >= 0 && fds[0].revents != 0) return true;
    if (Now() >= end) return false;
  }
}

}  // namespace meltemi::load
