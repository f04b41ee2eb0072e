#include "control/pilot/ads_server/ads_server.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "control/common/grpc_tls.h"
#include "control/common/log.h"

namespace meltemi::control::pilot::ads_server {

using ads_session::AdsSession;
using ads_session::Event;
using ads_session::Snapshot;
using ads_session::Type;
using common::Level;
using common::Log;
using common::Metrics;

// One node's stream. gRPC calls it; it deletes itself in OnDone, which gRPC calls last.
class AdsServer::Stream final
    : public grpc::ServerBidiReactor<AdsSession::Request, AdsSession::Response> {
 public:
  Stream(AdsServer* server, std::string peer,
         absl::StatusOr<std::optional<node_auth::ProvenNode>> proven)
      : server_(server),
        peer_(std::move(peer)),
        proven_(std::move(proven)),
        connected_(absl::Now()) {}

  void Start() {
    const absl::MutexLock lock(&mutex_);
    if (!proven_.ok()) return Refuse(proven_.status(), "certificate");
    StartRead(&request_);
  }

  // A new snapshot is there, or a request was read.
  void Push() {
    const absl::MutexLock lock(&mutex_);
    PushLocked();
  }

  NodeView View(const Snapshot* snapshot) const {
    const absl::MutexLock lock(&mutex_);
    NodeView view{.id = node_,
                  .address = peer_,
                  .proven = proven_.ok() && proven_->has_value(),
                  .connected = connected_};
    for (const Type type : ads_session::kTypes) {
      const ads_session::TypeStatus& status = session_.status(type);
      if (!status.subscribed) continue;
      view.types.push_back({type, status, snapshot != nullptr && session_.InSync(type, *snapshot)});
    }
    if (snapshot != nullptr) view.held = session_.HeldBack(*snapshot);
    return view;
  }

  void OnReadDone(bool ok) override {
    const absl::MutexLock lock(&mutex_);
    if (!ok) return Close(grpc::Status::OK);
    if (!MayBeFrom(request_.node().id())) return;
    if (node_.empty()) {
      node_ = request_.node().id();
      if (node_.empty()) {
        return Close({grpc::StatusCode::INVALID_ARGUMENT, "the first request must name node.id"});
      }
      if (proven_->has_value()) session_.Prove(node_);
      Log(Level::kInfo, "node connected",
          {{"node", node_}, {"address", peer_}, {"proven", proven_->has_value() ? "yes" : "no"}});
    }
    Handle();
    if (closing_) return;
    PushLocked();
    if (closing_) return;
    StartRead(&request_);
  }

  void OnWriteDone(bool ok) override {
    const absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok || closing_) {
      if (!closing_) close_status_ = grpc::Status::OK;
      closing_ = true;
      return FinishOnce();
    }
    PushLocked();
  }

  void OnDone() override {
    if (!node_.empty())
      Log(Level::kInfo, "node disconnected", {{"node", node_}, {"address", peer_}});
    server_->Remove(this);
    delete this;
  }

 private:
  void Handle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const Event event = session_.OnRequest(request_);
    const auto type = ads_session::TypeFromUrl(request_.type_url());
    switch (event) {
      case Event::kSubscribed:
      case Event::kStale:
        return;
      case Event::kAcked:
        return ObserveConvergence();
      case Event::kNacked:
        Log(Level::kWarning, "configuration refused by node",
            {{"node", node_},
             {"type", ads_session::ShortName(*type)},
             {"error", request_.error_detail().message()}});
        server_->metrics_->Add("pilot_total_xds_rejects", 1,
                               absl::StrCat("type=\"", ads_session::ShortName(*type), "\""));
        return;
      case Event::kUnknownType:
        Log(Level::kWarning, "type not served", {{"node", node_}, {"type", request_.type_url()}});
        return;
      case Event::kTooManyNames:
        return Close({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many resource names"});
    }
  }

  // Istio's pilot_proxy_convergence_time: from the change until the node has accepted all of it.
  void ObserveConvergence() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const Published published = server_->published();
    if (published.snapshot == nullptr || converged_ == published.snapshot->version) return;
    for (const Type type : ads_session::kTypes) {
      if (session_.status(type).subscribed && !session_.InSync(type, *published.snapshot)) return;
    }
    converged_ = published.snapshot->version;
    // A node that has just connected did not wait for a change.
    if (published.at < connected_) return;
    server_->metrics_->Observe("pilot_proxy_convergence_time",
                               absl::ToDoubleSeconds(absl::Now() - published.at));
  }

  // Whether a request that names this node may come on this stream; else the stream is closed.
  bool MayBeFrom(const std::string& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const std::string& expected = node_.empty() && proven_->has_value() ? (*proven_)->name : node_;
    if (expected.empty() || id.empty() || id == expected) return true;
    Refuse(absl::PermissionDeniedError(absl::StrCat("the stream is of node \"", expected,
                                                    "\", not of \"", id.substr(0, 300), "\"")),
           "node");
    return false;
  }

  void Refuse(const absl::Status& status, const char* reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const std::string message(status.message());
    Log(Level::kWarning, "node refused", {{"address", peer_}, {"error", message}});
    server_->metrics_->Add("pilot_xds_auth_failures", 1, absl::StrCat("reason=\"", reason, "\""));
    // The codes of both have the same numbers.
    Close({static_cast<grpc::StatusCode>(status.code()), message});
  }

  // A certificate that has ended proves nothing any more; the node comes back with its next one.
  bool Ended() const {
    return proven_->has_value() && server_->auth_->now() > (*proven_)->not_after;
  }

  void PushLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || closing_ || node_.empty()) return;
    if (Ended()) {
      return Refuse(absl::UnauthenticatedError("the client certificate has ended"), "ended");
    }
    const std::shared_ptr<const Snapshot> snapshot = server_->snapshot();
    if (snapshot == nullptr) return;
    std::optional<AdsSession::Response> response = session_.Next(*snapshot);
    if (!response) return;
    response_ = *std::move(response);
    const auto type = ads_session::TypeFromUrl(response_.type_url());
    server_->metrics_->Add("pilot_xds_pushes", 1,
                           absl::StrCat("type=\"", ads_session::ShortName(*type), "\""));
    writing_ = true;
    StartWrite(&response_);
  }

  void Close(grpc::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!closing_) close_status_ = std::move(status);
    closing_ = true;
    if (!writing_) FinishOnce();
  }

  void FinishOnce() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_) return;
    finished_ = true;
    Finish(close_status_);
  }

  AdsServer* const server_;
  const std::string peer_;
  const absl::StatusOr<std::optional<node_auth::ProvenNode>> proven_;
  const absl::Time connected_;
  mutable absl::Mutex mutex_;
  AdsSession session_ ABSL_GUARDED_BY(mutex_);
  AdsSession::Request request_;    // being read
  AdsSession::Response response_;  // being written
  std::string node_;
  std::string converged_ ABSL_GUARDED_BY(mutex_);
  grpc::Status close_status_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

AdsServer::AdsServer(Metrics* metrics, const node_auth::NodeAuth* auth)
    : metrics_(metrics), auth_(auth) {
  metrics_->Declare("pilot_xds", Metrics::Kind::kGauge, "Nodes connected over ADS.");
  metrics_->Declare("pilot_xds_pushes", Metrics::Kind::kCounter, "Responses sent, by type.");
  metrics_->Declare("pilot_total_xds_rejects", Metrics::Kind::kCounter,
                    "Responses refused by nodes, by type.");
  metrics_->Declare("pilot_proxy_convergence_time", Metrics::Kind::kHistogram,
                    "Seconds from a change until a node has accepted all of it.",
                    {0.01, 0.05, 0.1, 0.5, 1, 3, 5, 10, 20, 30});
  metrics_->Declare("pilot_xds_auth_failures", Metrics::Kind::kCounter,
                    "Streams over TLS refused: certificate (it proves no node), node (it names "
                    "another one), ended (it was valid when the stream began).");
  metrics_->Set("pilot_xds", 0);
}

AdsServer::Published AdsServer::published() const {
  const absl::MutexLock lock(&published_mutex_);
  return published_;
}

std::shared_ptr<const Snapshot> AdsServer::snapshot() const { return published().snapshot; }

void AdsServer::Publish(std::shared_ptr<const Snapshot> snapshot) {
  {
    const absl::MutexLock lock(&published_mutex_);
    published_ = {std::move(snapshot), absl::Now()};
  }
  const absl::MutexLock lock(&streams_mutex_);
  for (Stream* stream : streams_) stream->Push();
}

std::vector<NodeView> AdsServer::Nodes() const {
  const std::shared_ptr<const Snapshot> current = snapshot();
  std::vector<NodeView> views;
  {
    const absl::MutexLock lock(&streams_mutex_);
    for (const Stream* stream : streams_) {
      NodeView view = stream->View(current.get());
      if (!view.id.empty()) views.push_back(std::move(view));
    }
  }
  std::stable_sort(views.begin(), views.end(),
                   [](const NodeView& a, const NodeView& b) { return a.id < b.id; });
  return views;
}

grpc::ServerBidiReactor<AdsSession::Request, AdsSession::Response>*
AdsServer::StreamAggregatedResources(grpc::CallbackServerContext* context) {
  // Owned by gRPC's callbacks until OnDone; there is no other place to keep it.
  auto* stream = new Stream(this, context->peer(), Prove(*context));
  {
    const absl::MutexLock lock(&streams_mutex_);
    streams_.push_back(stream);
    metrics_->Set("pilot_xds", static_cast<double>(streams_.size()));
  }
  stream->Start();
  return stream;
}

absl::StatusOr<std::optional<node_auth::ProvenNode>> AdsServer::Prove(
    const grpc::CallbackServerContext& context) const {
  const auto peer = context.auth_context();
  if (peer == nullptr || !common::CameByTls(*peer)) return std::nullopt;
  if (auth_ == nullptr) return absl::UnauthenticatedError("nodes cannot be proven here");
  absl::StatusOr<node_auth::ProvenNode> node = auth_->Prove(common::PeerChainPem(*peer));
  if (!node.ok()) return node.status();
  return *std::move(node);
}

void AdsServer::Remove(Stream* stream) {
  const absl::MutexLock lock(&streams_mutex_);
  streams_.remove(stream);
  metrics_->Set("pilot_xds", static_cast<double>(streams_.size()));
}

}  // namespace meltemi::control::pilot::ads_server
