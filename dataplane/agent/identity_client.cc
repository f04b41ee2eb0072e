#include "dataplane/agent/identity_client.h"

#include <grpcpp/grpcpp.h>
#include <time.h>

#include <chrono>
#include <fstream>

#include "absl/strings/ascii.h"
#include "control/common/log.h"
#include "l7/base/text.h"
#include "security/v1alpha1/ca.grpc.pb.h"

namespace meltemi::agent {
namespace {

using control::common::Level;
using control::common::Log;
using istio::v1::auth::IstioCertificateRequest;
using istio::v1::auth::IstioCertificateResponse;
using istio::v1::auth::IstioCertificateService;

constexpr int kPeriodMs = 100;    // how often stop and due requests are looked at
constexpr int kCallSeconds = 10;  // a call's time-out; below IdentityState's answer_max
constexpr size_t kFileBytesMax = 256 * 1024;

IdentityNow ReadClocks() {
  timespec steady{}, wall{};
  clock_gettime(CLOCK_MONOTONIC, &steady);
  clock_gettime(CLOCK_REALTIME, &wall);
  return {Instant::FromNanos(int64_t{steady.tv_sec} * 1'000'000'000 + steady.tv_nsec),
          {wall.tv_sec}};
}

// A file's text without blanks around it; "" when it cannot be read.
std::string ReadText(const std::string& path) {
  if (path.empty()) return "";
  std::ifstream in(path, std::ios::binary);
  std::string text(kFileBytesMax, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  return std::string(absl::StripAsciiWhitespace(text));
}

}  // namespace

struct IdentityClient::Call {
  uint64_t id = 0;
  std::string identity;
  grpc::ClientContext context;
  IstioCertificateResponse response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<IstioCertificateResponse>> reader;
};

// The connection, made anew when what it is made of has changed: roots, or our certificate.
class IdentityClient::Channel {
 public:
  explicit Channel(const IdentityClientOptions& options) : options_(options) {}
  ~Channel() {
    for (Call* call : pending_) call->context.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) delete static_cast<Call*>(tag);
  }

  // "" or why there can be no connection.
  std::string Prepare(const IdentityCredentialPtr& certificate, const std::string& more_roots) {
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = Cat(ReadText(options_.roots_file), "\n", more_roots);
    if (ssl.pem_root_certs.find("-----BEGIN CERTIFICATE") == std::string::npos) {
      return Cat("no root certificate in ", options_.roots_file);
    }
    if (stub_ != nullptr && ssl.pem_root_certs == roots_ && certificate == certificate_) return "";
    if (certificate != nullptr) {
      const auto key = certificate->key.PemForThisProcess();
      if (!key.ok()) return std::string(key.status().message());
      ssl.pem_private_key = *key;
      ssl.pem_cert_chain = certificate->chain.chain_pem;
    }
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 250);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    if (!options_.server_name.empty()) arguments.SetSslTargetNameOverride(options_.server_name);
    stub_ = IstioCertificateService::NewStub(
        grpc::CreateCustomChannel(options_.target, grpc::SslCredentials(ssl), arguments));
    roots_ = ssl.pem_root_certs;
    certificate_ = certificate;
    return "";
  }

  void Send(const IdentityState::Request& request, const std::string& bearer) {
    auto call = std::make_unique<Call>();
    call->id = request.id;
    call->identity = request.identity;
    IstioCertificateRequest message;
    message.set_csr(request.csr_pem);
    message.set_validity_duration(options_.ttl.nanos() / 1'000'000'000);
    if (request.identity != options_.node_identity) {
      (*message.mutable_metadata()->mutable_fields())["ImpersonatedIdentity"].set_string_value(
          request.identity);
    }
    if (!bearer.empty()) call->context.AddMetadata("authorization", Cat("Bearer ", bearer));
    call->context.set_deadline(std::chrono::system_clock::now() +
                               std::chrono::seconds(kCallSeconds));
    Call* const raw = call.release();  // the queue's, until it comes back
    pending_.insert(raw);
    raw->reader = stub_->AsyncCreateCertificate(&raw->context, message, &queue_);
    raw->reader->Finish(&raw->response, &raw->status, raw);
  }

  // A call that has ended, or null after a while.
  std::unique_ptr<Call> Next() {
    void* tag = nullptr;
    bool ok = false;
    const auto deadline = std::chrono::system_clock::now() + std::chrono::milliseconds(kPeriodMs);
    if (queue_.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) return nullptr;
    pending_.erase(static_cast<Call*>(tag));
    return std::unique_ptr<Call>(static_cast<Call*>(tag));
  }

 private:
  const IdentityClientOptions& options_;
  grpc::CompletionQueue queue_;
  std::set<Call*> pending_;
  std::unique_ptr<IstioCertificateService::Stub> stub_;
  std::string roots_;
  IdentityCredentialPtr certificate_;
};

IdentityClient::IdentityClient(IdentityClientOptions options, uint64_t seed, OnChange on_change)
    : IdentityClient(std::move(options), seed, std::move(on_change), ReadClocks) {}

IdentityClient::IdentityClient(IdentityClientOptions options, uint64_t seed, OnChange on_change,
                               Clock clock)
    : options_(std::move(options)),
      on_change_(std::move(on_change)),
      clock_(std::move(clock)),
      state_(options_.state, seed) {
  SetLocal({});
}

IdentityClient::~IdentityClient() { Stop(); }

void IdentityClient::Start() {
  thread_ = std::thread([this] { Run(); });
}

void IdentityClient::Stop() {
  stopping_.store(true);
  if (thread_.joinable()) thread_.join();
}

void IdentityClient::SetLocal(std::set<std::string> identities) {
  identities.insert(options_.node_identity);
  const absl::MutexLock lock(&mutex_);
  state_.SetLocal(identities);
}

absl::StatusOr<IdentityCredentialPtr> IdentityClient::Get(const std::string& identity) const {
  const absl::MutexLock lock(&mutex_);
  return state_.Get(identity, clock_());
}

std::string IdentityClient::trusted_pem() const {
  const absl::MutexLock lock(&mutex_);
  return state_.trusted_pem();
}

IdentityClientStatus IdentityClient::Status() const {
  const absl::MutexLock lock(&mutex_);
  IdentityClientStatus out = status_;
  out.identities = state_.Status();
  return out;
}

std::vector<IdentityCredentialPtr> IdentityClient::Credentials() const {
  const absl::MutexLock lock(&mutex_);
  return state_.Credentials();
}

std::vector<IdentitySecret> IdentityClient::Secrets() const {
  std::vector<IdentitySecret> out;
  const std::string trusted = trusted_pem();
  for (const IdentityCredentialPtr& credential : Credentials()) {
    const absl::StatusOr<std::string> key = credential->key.PemForThisProcess();
    if (!key.ok()) continue;  // out of memory; the next version has it
    out.push_back({credential->identity, credential->chain.chain_pem, *key, trusted});
  }
  return out;
}

uint64_t IdentityClient::version() const {
  const absl::MutexLock lock(&mutex_);
  return state_.version();
}

IdentityClient::Proof IdentityClient::FindProof(IdentityNow now) const {
  Proof proof;
  if (!options_.token_file.empty()) {
    proof.bearer = ReadText(options_.token_file);
    if (proof.bearer.empty()) proof.missing = Cat("no token in ", options_.token_file);
    return proof;
  }
  {
    const absl::MutexLock lock(&mutex_);
    proof.certificate = state_.Get(options_.node_identity, now).value_or(nullptr);
  }
  if (proof.certificate != nullptr) return proof;
  proof.others = false;
  proof.bearer = ReadText(options_.join_token_file);
  if (proof.bearer.empty()) {
    proof.missing =
        Cat("the node has no certificate, and no join token in \"", options_.join_token_file, "\"");
  }
  return proof;
}

void IdentityClient::SendDue(Channel* channel) {
  const IdentityNow now = clock_();
  const Proof proof = FindProof(now);
  std::vector<IdentityState::Request> requests;
  std::string trusted;
  {
    const absl::MutexLock lock(&mutex_);
    requests = state_.Poll(
        now, proof.others ? std::nullopt : std::optional<std::string>(options_.node_identity));
    trusted = state_.trusted_pem();
    status_.requests += requests.size();
  }
  if (requests.empty()) return;
  std::string missing = proof.missing;
  if (missing.empty()) missing = channel->Prepare(proof.certificate, trusted);
  for (const IdentityState::Request& request : requests) {
    if (missing.empty()) {
      channel->Send(request, proof.bearer);
      continue;
    }
    Call call;
    call.id = request.id;
    call.identity = request.identity;
    call.status = grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, missing);
    OnDone(&call);
  }
}

void IdentityClient::OnDone(Call* call) {
  absl::StatusOr<std::vector<std::string>> answer = std::vector<std::string>(
      call->response.cert_chain().begin(), call->response.cert_chain().end());
  if (!call->status.ok()) {  // the codes of both have the same numbers
    answer = absl::Status(static_cast<absl::StatusCode>(call->status.error_code()),
                          call->status.error_message());
  }
  absl::Status taken;
  bool again = false;  // the same failure as its last one: told once
  {
    const absl::MutexLock lock(&mutex_);
    const std::string before = state_.LastFailure(call->identity);
    taken = state_.OnAnswer(call->id, answer, clock_());
    (taken.ok() ? status_.answers : status_.failures) += 1;
    again = taken.message() == before;
  }
  if (taken.ok()) {
    Log(Level::kInfo, "certificate", {{"identity", call->identity}});
    if (on_change_) on_change_();
  } else if (!again) {
    Log(Level::kWarning, "no certificate",
        {{"identity", call->identity}, {"error", std::string(taken.message())}});
  }
}

void IdentityClient::Run() {
  Channel channel(options_);
  while (!stopping_.load()) {
    SendDue(&channel);
    if (const std::unique_ptr<Call> call = channel.Next()) OnDone(call.get());
  }
}

}  // namespace meltemi::agent
