#include "ca/server.h"

#include "ca/pages.h"
#include "control/common/log.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

using control::common::HttpReply;
using control::common::Level;
using control::common::Log;

constexpr absl::Duration kPeriod = absl::Seconds(1);

void LogStep(const std::string& what, const absl::Status& status) {
  if (status.ok()) {
    Log(Level::kInfo, what);
  } else {
    Log(Level::kError, what, {{"error", std::string(status.message())}});
  }
}

}  // namespace

Server::Server(const FlagValues& flags, Options options, Clock clock, Entropy entropy)
    : flags_(flags),
      options_(std::move(options)),
      clock_(std::move(clock)),
      entropy_(std::move(entropy)) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const FlagValues& flags, Options options,
                                                      Clock clock, Entropy entropy) {
  auto out = std::unique_ptr<Server>(
      new Server(flags, std::move(options), std::move(clock), std::move(entropy)));
  if (const absl::Status opened = out->Open(); !opened.ok()) return opened;
  out->thread_ = std::thread([server = out.get()] { server->Run(); });
  return out;
}

Server::~Server() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
  http_.reset();
  grpc_.reset();
}

absl::Status Server::Open() {
  CertificateHandler::DeclareMetrics(&metrics_);
  auto authority = Authority::Open(options_.authority, &files_, clock_, entropy_, LogStep);
  if (!authority.ok()) return authority.status();
  authority_ = *std::move(authority);
  auto log = IssuanceLog::Open(&files_, Cat(flags_.data_dir, "/issuance.log"), options_.log_sync);
  if (!log.ok()) return log.status();
  log_ = *std::move(log);
  join_tokens_ = std::make_unique<JoinTokens>(&files_, Cat(flags_.data_dir, "/join-tokens"));
  if (const absl::Status tokens = OpenTokens(); !tokens.ok()) return tokens;
  if (!flags_.registry_dir.empty()) {
    pods_ = std::make_unique<PodFiles>(flags_.registry_dir);
    TellOnce(Failures::Part::kRegistry, "reading the registry's Pods failed", pods_->Refresh());
  }
  TokenVerifier* const tokens =
      jwks_ != nullptr ? static_cast<TokenVerifier*>(jwks_.get()) : reviewer_.get();
  NodeBinding* const nodes = pods_ != nullptr ? static_cast<NodeBinding*>(pods_.get()) : &no_pods_;
  handler_ = std::make_unique<CertificateHandler>(
      CertificateHandler::Options{.domains = options_.domains,
                                  .ttl = options_.ttl,
                                  .node_accounts = options_.node_accounts,
                                  .tokens = tokens,
                                  .join_tokens = join_tokens_.get(),
                                  .nodes = nodes,
                                  .authority = authority_.get(),
                                  .log = log_.get(),
                                  .metrics = &metrics_,
                                  .failures = &failures_,
                                  .clock = clock_,
                                  .entropy = entropy_});
  serving_ = std::make_unique<ServingCertificate>(
      ServingCertificate::Options{
          .identity = {options_.domains.own(), "meltemi-system", "meltemi-ca"},
          .dns_names = options_.server_names},
      authority_.get(), clock_, entropy_);
  auto grpc = GrpcServer::Start(flags_.grpc_addr, handler_.get(), serving_.get());
  if (!grpc.ok()) return grpc.status();
  grpc_ = *std::move(grpc);
  auto http = control::common::HttpServer::Start(
      flags_.http_addr, [this](const std::string& path) { return Page(path); });
  if (!http.ok()) return http.status();
  http_ = *std::move(http);
  return absl::OkStatus();
}

absl::Status Server::OpenJwks() {
  JwksVerifier::Options options{
      .path = flags_.token_jwks,
      .required = {.issuer = flags_.token_issuer, .audiences = options_.token_audiences}};
  if (const size_t scheme = flags_.token_jwks.find("://"); scheme != std::string::npos) {
    const size_t path = flags_.token_jwks.find('/', scheme + 3);
    auto http =
        MakeHttpClient({.url = flags_.token_jwks.substr(0, path), .ca_file = flags_.token_jwks_ca});
    if (!http.ok()) return http.status();
    jwks_server_ = *std::move(http);
    options.path = path == std::string::npos ? "/" : flags_.token_jwks.substr(path);
    options.http = jwks_server_.get();
    options.own_token_file = flags_.token_jwks_token;
  }
  auto jwks = JwksVerifier::Open(&files_, std::move(options), options_.domains, clock_());
  if (!jwks.ok()) return jwks.status();
  jwks_ = *std::move(jwks);
  return absl::OkStatus();
}

absl::Status Server::OpenTokens() {
  if (!flags_.token_jwks.empty()) {
    if (const absl::Status opened = OpenJwks(); !opened.ok()) return opened;
  }
  if (!flags_.token_review.empty()) {
    const bool tls = flags_.token_review.starts_with("https://");
    auto http =
        MakeHttpClient({.url = flags_.token_review, .ca_file = tls ? flags_.token_review_ca : ""});
    if (!http.ok()) return http.status();
    api_server_ = *std::move(http);
    reviewer_ = std::make_unique<TokenReviewVerifier>(
        api_server_.get(), &files_,
        TokenReviewVerifier::Options{.audiences = options_.token_audiences,
                                     .own_token_file = flags_.token_review_token},
        options_.domains);
  }
  return absl::OkStatus();
}

HttpReply Server::Page(const std::string& path) {
  const absl::Time now = clock_();
  const std::shared_ptr<const Signers> signers = authority_->current();
  const absl::StatusOr<ServingPem> serving = serving_->Get();
  if (path == "/metrics") {
    const absl::Time leaf = serving.ok() ? serving->not_after : now;
    return {.content_type = "text/plain; version=0.0.4",
            .body = Cat(metrics_.Text(), ExpiryMetrics(*signers, leaf, now), failures_.Metrics())};
  }
  if (path == "/healthz") return {.body = "ok\n"};
  if (path == "/readyz") {
    if (now < signers->active->not_after() && serving.ok()) return {.body = "ready\n"};
    return {.status = 503, .body = "the CA's certificate has ended\n"};
  }
  if (path == "/trust-bundle") return {.body = signers->trusted_pem};
  if (path == "/status") return {.body = StatusText(*signers, now) + failures_.Text()};
  return {.status = 404, .body = "/metrics /healthz /readyz /trust-bundle /status\n"};
}

void Server::TellOnce(Failures::Part part, const std::string& what, const absl::Status& status) {
  const absl::Status failure(status.code(), Abs(Cat(what, ": ", status.message())));
  if (!failures_.Note(part, failure, clock_())) return;
  Log(Level::kError, what, {{"error", std::string(status.message())}});
}

void Server::LookAfter() {
  using Part = Failures::Part;
  authority_->Tick();  // it logs by itself
  failures_.Note(Part::kRotation, authority_->trouble(), clock_());
  if (jwks_ != nullptr) {
    TellOnce(Part::kTokenKeys, "reading the keys of tokens failed", jwks_->Refresh(clock_()));
  }
  if (pods_ != nullptr) {
    TellOnce(Part::kRegistry, "reading the registry's Pods failed", pods_->Refresh());
  }
  TellOnce(Part::kListener, "renewing the listener's certificate failed", serving_->Get().status());
}

void Server::Run() {
  const absl::MutexLock lock(&mutex_);
  while (!mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kPeriod)) {
    mutex_.Unlock();
    LookAfter();
    mutex_.Lock();
  }
}

}  // namespace meltemi::ca
