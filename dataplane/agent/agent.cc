#include "dataplane/agent/agent.h"

#include <grpcpp/grpcpp.h>
#include <time.h>

#include <chrono>
#include <deque>

#include "absl/time/time.h"
#include "control/common/log.h"
#include "dataplane/agent/backoff.h"
#include "dataplane/agent/config_dump.h"
#include "envoy/service/discovery/v3/ads.grpc.pb.h"

namespace meltemi::agent {
namespace {

using control::common::Level;
using control::common::Log;
using envoy::service::discovery::v3::AggregatedDiscoveryService;

constexpr int kPeriodMs = 100;  // how often stop and deadlines are looked at
constexpr Duration kFilesPeriod = Duration::Seconds(1);  // how often secrets in files are read

Instant Now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return Instant::FromNanos(int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec);
}

WallClock ReadWallClock() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  const int64_t unix_nanos = int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
  return {.offset_nanos = unix_nanos - Now().nanos()};
}

AdsState::Options StateOptions(const Bootstrap& b) {
  AdsState::Options o;
  o.node = b.node;
  o.compiler.default_access_log_path = b.access_log_path;
  o.compiler.check_tls = CheckInlineTls;
  o.static_secrets = b.secrets;
  o.own_identities = b.ca.has_value();
  for (const auto& secret : b.secrets) o.compiler.static_secrets.insert(secret.name());
  o.dynamic = !b.ads_target.empty();
  return o;
}

}  // namespace

// One ADS stream over a completion queue, so that waiting has an end.
class Agent::Stream {
 public:
  enum class Outcome { kResponse, kNothing, kEnded };

  Stream(const std::string& target, const std::string& server_name, const AdsPem* pem) {
    grpc::ChannelArguments args;
    if (!server_name.empty()) args.SetSslTargetNameOverride(server_name);
    args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 250);
    args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
    args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
    args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
    args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    args.SetMaxReceiveMessageSize(-1);
    auto credentials = pem == nullptr ? grpc::InsecureChannelCredentials()
                                      : grpc::SslCredentials({.pem_root_certs = pem->roots,
                                                              .pem_private_key = pem->key,
                                                              .pem_cert_chain = pem->chain});
    channel_ = grpc::CreateCustomChannel(target, credentials, args);
    stub_ = AggregatedDiscoveryService::NewStub(channel_);
    call_ = stub_->PrepareAsyncStreamAggregatedResources(&context_, &queue_);
    call_->StartCall(Tag(kStarted));
  }
  ~Stream() {
    context_.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }
  void Send(DiscoveryRequest request) {
    waiting_.push_back(std::move(request));
    Pump();
  }
  // Waits for the next thing that happens, at most `timeout_ms`.
  Outcome Next(int timeout_ms, DiscoveryResponse* response) {
    void* tag = nullptr;
    bool ok = false;
    const auto deadline = std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms);
    switch (queue_.AsyncNext(&tag, &ok, deadline)) {
      case grpc::CompletionQueue::TIMEOUT:
        return Outcome::kNothing;
      case grpc::CompletionQueue::SHUTDOWN:
        return Outcome::kEnded;
      case grpc::CompletionQueue::GOT_EVENT:
        break;
    }
    if (!ok) return Outcome::kEnded;
    if (tag == Tag(kStarted)) {
      started_ = true;
      call_->Read(&incoming_, Tag(kRead));
      Pump();
      return Outcome::kNothing;
    }
    if (tag == Tag(kWritten)) {
      writing_ = false;
      Pump();
      return Outcome::kNothing;
    }
    response->Swap(&incoming_);
    call_->Read(&incoming_, Tag(kRead));
    return Outcome::kResponse;
  }
  // Why it has ended, after kEnded; known at once, or else not asked for longer than a moment.
  std::string Why() {
    call_->Finish(&status_, Tag(kFinished));
    const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(1);
    void* tag = nullptr;
    bool ok = false;
    while (queue_.AsyncNext(&tag, &ok, deadline) == grpc::CompletionQueue::GOT_EVENT) {
      if (tag == Tag(kFinished)) return status_.error_message();
    }
    return "";
  }

 private:
  enum What : intptr_t { kStarted = 1, kRead, kWritten, kFinished };
  static void* Tag(What what) { return reinterpret_cast<void*>(what); }
  void Pump() {
    if (!started_ || writing_ || waiting_.empty()) return;
    outgoing_ = std::move(waiting_.front());
    waiting_.pop_front();
    writing_ = true;
    call_->Write(outgoing_, Tag(kWritten));
  }

  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<AggregatedDiscoveryService::Stub> stub_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<DiscoveryRequest, DiscoveryResponse>> call_;
  DiscoveryResponse incoming_;
  DiscoveryRequest outgoing_;
  grpc::Status status_;
  std::deque<DiscoveryRequest> waiting_;
  bool started_ = false, writing_ = false;
};

AgentTime AgentTime::Real() {
  return {.now = Now, .wait = [](Duration duration, const absl::Notification& stopped) {
            stopped.WaitForNotificationWithTimeout(absl::Nanoseconds(duration.nanos()));
          }};
}

Agent::Agent(const Bootstrap& bootstrap, shared::SnapshotSlot* slot, uint64_t seed,
             OnSnapshot on_snapshot, AgentTime time, Resolver::Lookup lookup)
    : ads_target_(bootstrap.ads_target),
      ads_tls_(bootstrap.ads_tls),
      ca_(bootstrap.ca),
      slot_(slot),
      on_snapshot_(std::move(on_snapshot)),
      time_(std::move(time)),
      prng_(seed),
      state_(StateOptions(bootstrap), bootstrap.listeners, bootstrap.clusters),
      bootstrap_json_(bootstrap.json),
      resolver_(std::move(lookup)) {}

Agent::~Agent() { Stop(); }

absl::Status Agent::Start() {
  absl::Status published = Publish(time_.now());
  if (!published.ok()) return published;
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void Agent::Stop() {
  if (!stopped_.HasBeenNotified()) stopped_.Notify();
  if (thread_.joinable()) thread_.join();
}

void Agent::UseBootstrap(const Bootstrap& running) {
  absl::MutexLock lock(&mutex_);
  bootstrap_json_ = running.json;
  node_changed_ = state_.UseNode(running.node) || node_changed_;
}

bool Agent::NodeChanged() const {
  absl::MutexLock lock(&mutex_);
  return node_changed_;
}

absl::Status Agent::Publish(Instant now) {
  std::unique_ptr<config::Snapshot> snapshot;
  {
    absl::MutexLock lock(&mutex_);
    auto made = state_.TakeSnapshot(now);
    if (!made.ok()) {
      ++status_.snapshot_failures;
      status_.last_failure = std::string(made.status().message());
      Log(Level::kError, "configuration not applied", {{"error", status_.last_failure}});
      return made.status();
    }
    snapshot = *std::move(made);
    if (snapshot == nullptr) return absl::OkStatus();
    ++status_.snapshots;
  }
  Log(Level::kInfo, "configuration applied",
      {{"sequence", std::to_string(snapshot->sequence)}, {"versions", snapshot->version_text}});
  UpdateTls(snapshot.get(), now);
  on_snapshot_(*snapshot);
  slot_->Publish(std::move(snapshot));
  return absl::OkStatus();
}

void Agent::ServeTls(shared::Latest<tls::ContextTableRef>* contexts, OwnSecrets own) {
  contexts_out_ = contexts;
  own_secrets_ = std::move(own);
}

void Agent::UpdateTls(const config::Snapshot* snapshot, Instant now) {
  if (contexts_out_ == nullptr) return;
  const uint64_t own_version = own_secrets_.version ? own_secrets_.version() : 0;
  TlsSecrets secrets;
  {
    absl::MutexLock lock(&mutex_);
    const uint64_t version = state_.secrets_version();
    const bool same = version == secrets_version_ && own_version == own_version_;
    if (snapshot == nullptr && same && now < tls_due_) return;
    secrets_version_ = version;
    secrets = state_.Secrets();
  }
  own_version_ = own_version;
  tls_due_ = now + kFilesPeriod;
  if (own_secrets_.get) secrets.merge(own_secrets_.get());
  if (snapshot != nullptr) contexts_.SetSettings(snapshot->tls);
  contexts_.SetSecrets(std::move(secrets));
  const uint64_t failures = contexts_.failures();
  tls::ContextTableRef table = contexts_.Update();
  std::vector<TlsContextStatus> status = contexts_.Status();
  if (table != nullptr) {
    Log(Level::kInfo, "TLS contexts in force", {{"count", std::to_string(table->size())}});
    contexts_out_->Set(std::move(table));
  }
  if (contexts_.failures() != failures) {
    for (const TlsContextStatus& s : status) {
      if (s.error.empty()) continue;
      Log(Level::kWarning, s.ready ? "TLS context not renewed, keeping the old" : "TLS not ready",
          {{"id", std::to_string(s.id)}, {"secrets", s.secrets}, {"error", s.error}});
    }
  }
  absl::MutexLock lock(&mutex_);
  status_.tls = std::move(status);
}

void Agent::Run() {
  Backoff backoff;
  while (!stopped_.HasBeenNotified()) {
    AdsPem pem;
    if (ads_target_.empty() || !ReadPem(&pem)) {
      time_.wait(Duration::Millis(kPeriodMs), stopped_);
      Tend();
      continue;
    }
    if (RunStream(ads_tls_ ? &pem : nullptr)) backoff.Reset();
    if (NodeChanged()) continue;
    if (!stopped_.HasBeenNotified()) WaitToReconnect(backoff.Next(prng_));
  }
}

bool Agent::has_names() const {
  absl::MutexLock lock(&mutex_);
  return state_.has_names();
}

void Agent::WaitToReconnect(Duration wait) {
  const Duration period = Duration::Millis(kPeriodMs);
  while (has_names() && wait > period && !stopped_.HasBeenNotified()) {
    time_.wait(period, stopped_);
    wait = wait - period;
    Tend();
  }
  time_.wait(wait, stopped_);
}

void Agent::Tend() {
  const Instant now = time_.now();
  {
    absl::MutexLock lock(&mutex_);
    for (const DnsAnswer& answer : resolver_.Answers()) {
      if (!answer.error.empty()) {
        Log(Level::kWarning, "name not resolved, keeping what was known",
            {{"name", answer.name}, {"error", answer.error}});
      }
      state_.OnDnsAnswer(answer, now);
    }
    for (const std::string& name : state_.NamesToAsk(now)) resolver_.Ask(name);
  }
  Publish(now).IgnoreError();  // counted and logged there
  UpdateTls(nullptr, now);
  slot_->Reclaim();
}

bool Agent::ReadPem(AdsPem* pem) {
  if (!ads_tls_) return true;
  const TlsSecrets own = own_secrets_.get ? own_secrets_.get() : TlsSecrets();
  absl::StatusOr<AdsPem> read = ReadAdsPem(*ads_tls_, ca_ ? &*ca_ : nullptr, own);
  const std::string error(read.status().message());
  if (!error.empty() && error != pem_error_) {
    Log(Level::kWarning, "cannot call the control plane yet",
        {{"target", ads_target_}, {"error", error}});
  }
  pem_error_ = error;
  if (read.ok()) *pem = *std::move(read);
  return read.ok();
}

bool Agent::RunStream(const AdsPem* pem) {
  Stream stream(ads_target_, ads_tls_ ? ads_tls_->server_name : "", pem);
  std::vector<DiscoveryRequest> requests;
  {
    absl::MutexLock lock(&mutex_);
    node_changed_ = false;
    requests = state_.OnStreamOpen();
  }
  for (DiscoveryRequest& request : requests) stream.Send(std::move(request));
  bool heard = false;
  std::string why;
  while (!stopped_.HasBeenNotified() && !NodeChanged()) {
    DiscoveryResponse response;
    const Stream::Outcome outcome = stream.Next(kPeriodMs, &response);
    if (outcome == Stream::Outcome::kEnded) {
      if (!heard) why = stream.Why();
      break;
    }
    if (outcome == Stream::Outcome::kResponse) {
      absl::MutexLock lock(&mutex_);
      if (!heard) {
        ++status_.connects;
        status_.connected = heard = true;
        Log(Level::kInfo, "connected to the control plane", {{"target", ads_target_}});
      }
      requests = state_.OnResponse(response, time_.now());
      for (DiscoveryRequest& request : requests) {
        if (request.has_error_detail()) {
          Log(Level::kWarning, "configuration refused",
              {{"type", response.type_url()}, {"error", request.error_detail().message()}});
        }
        stream.Send(std::move(request));
      }
    }
    Tend();
  }
  absl::MutexLock lock(&mutex_);
  if (!why.empty() && why != status_.stream_error) {
    Log(Level::kWarning, "the control plane does not answer",
        {{"target", ads_target_}, {"error", why}});
  }
  if (heard || !why.empty()) status_.stream_error = why;
  if (heard) ++status_.disconnects;
  if (heard && !node_changed_ && !stopped_.HasBeenNotified()) {
    Log(Level::kWarning, "lost the control plane, keeping the last configuration",
        {{"target", ads_target_}});
  }
  status_.connected = false;
  state_.OnStreamClosed();
  return heard;
}

AgentStatus Agent::Status() const {
  absl::MutexLock lock(&mutex_);
  AgentStatus s = status_;
  s.ready = state_.ready();
  for (int i = 0; i < kTypes; ++i) s.types[i] = state_.status(static_cast<Type>(i));
  s.missing = state_.Missing();
  s.listeners = state_.ListenerNames();
  return s;
}

std::string Agent::ConfigDump() const {
  absl::MutexLock lock(&mutex_);
  return ConfigDumpJson(state_, bootstrap_json_, ReadWallClock());
}

}  // namespace meltemi::agent
