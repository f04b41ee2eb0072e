#include "ca/service/certificate_handler.h"

#include "ca/csr/csr.h"
#include "ca/limits.h"
#include "l7/base/text.h"

namespace meltemi::ca {

using control::common::Metrics;

// Istio's names, so that its dashboards and alerts work.
void CertificateHandler::DeclareMetrics(Metrics* metrics) {
  using Kind = Metrics::Kind;
  metrics->Declare("citadel_server_csr_count", Kind::kCounter, "Requests for a certificate.");
  metrics->Declare("citadel_server_success_cert_issuance_count", Kind::kCounter,
                   "Certificates issued.");
  metrics->Declare("citadel_server_authentication_failure_count", Kind::kCounter,
                   "Requests of callers that could not be authenticated.");
  metrics->Declare("citadel_server_id_extraction_err_count", Kind::kCounter,
                   "Requests for an identity that the caller may not ask for.");
  metrics->Declare("citadel_server_csr_parsing_err_count", Kind::kCounter,
                   "Requests with a signing request that is broken or not signed.");
  metrics->Declare("citadel_server_csr_sign_err_count", Kind::kCounter,
                   "Requests that failed while signing or logging, by error.");
  metrics->Declare("meltemi_ca_issued", Kind::kCounter, "Certificates issued, by way of proof.");
}

absl::StatusOr<CertificateReply> CertificateHandler::Handle(const CallInfo& call,
                                                            const CertificateRequest& request) {
  const absl::Time now = o_.clock();
  o_.metrics->Add("citadel_server_csr_count", 1);
  const absl::StatusOr<Caller> caller = Authenticate(call, now);
  if (!caller.ok()) {
    o_.metrics->Add("citadel_server_authentication_failure_count", 1);
    return caller.status();
  }
  const absl::StatusOr<Identity> identity = Authorize(*caller, request.impersonated);
  if (!identity.ok()) {
    o_.metrics->Add("citadel_server_id_extraction_err_count", 1);
    return identity.status();
  }
  return Sign(call, request, *caller, *identity, now);
}

absl::StatusOr<Caller> CertificateHandler::Authenticate(const CallInfo& call, absl::Time now) {
  // A token that was shown must be good: falling back to the certificate would hide that it is not.
  if (!call.bearer.empty()) return AuthenticateToken(call.bearer, now);
  if (call.peer_chain_pem.empty()) {
    return absl::UnauthenticatedError("neither a token nor a client certificate was shown");
  }
  return CallerByCertificate(call.peer_chain_pem, o_.authority->current()->trusted, o_.domains,
                             now);
}

absl::StatusOr<Caller> CertificateHandler::AuthenticateToken(const std::string& token,
                                                             absl::Time now) {
  if (token.size() > limits::kTokenBytesMax) {
    return absl::UnauthenticatedError("the token is too large");
  }
  if (JoinTokens::LooksLikeOne(token)) return o_.join_tokens->Check(token, now);
  if (o_.tokens == nullptr) {
    return absl::UnauthenticatedError("this CA takes join tokens and client certificates only");
  }
  return o_.tokens->Verify(token, now);
}

absl::Status CertificateHandler::Consume(const std::string& join_token, absl::Time now) {
  if (join_token.empty()) return absl::OkStatus();
  const absl::Status used = o_.join_tokens->Consume(join_token);
  // Somebody else's use of it is no failure of ours.
  if (used.code() != absl::StatusCode::kUnauthenticated) {
    o_.failures->Note(Failures::Part::kJoinTokens, used, now);
  }
  return used;
}

std::string CertificateHandler::NodeOf(const Caller& caller) {
  if (!caller.node.empty()) return caller.node;
  if (caller.pod.empty()) return "";
  return o_.nodes->NodeOfPod(caller.identity.ns, caller.pod, caller.pod_uid);
}

absl::StatusOr<Identity> CertificateHandler::Authorize(const Caller& caller,
                                                       const std::string& impersonated) {
  if (impersonated.empty()) return caller.identity;
  const absl::StatusOr<Identity> named = ParseSpiffe(impersonated);
  if (!named.ok()) return named.status();
  const absl::StatusOr<Identity> wanted = o_.domains.Canonical(*named);
  if (!wanted.ok()) return wanted.status();
  if (*wanted == caller.identity) return wanted;
  if (!o_.node_accounts.contains(caller.identity)) {
    return absl::PermissionDeniedError(
        Cat(caller.identity.Uri(), " is no node account and may not ask for ", wanted->Uri()));
  }
  const std::string node = NodeOf(caller);
  if (node.empty()) {
    return absl::PermissionDeniedError(
        Cat("the node of ", caller.identity.Uri(), " is not known; it may not ask for others"));
  }
  if (!o_.nodes->Runs(node, wanted->ns, wanted->service_account)) {
    return absl::PermissionDeniedError(
        Cat("no workload of ", wanted->Uri(), " is bound to node ", node));
  }
  return wanted;
}

absl::StatusOr<CertificateReply> CertificateHandler::Sign(const CallInfo& call,
                                                          const CertificateRequest& request,
                                                          const Caller& caller,
                                                          const Identity& identity,
                                                          absl::Time now) {
  const absl::StatusOr<Csr> csr = ParseCsr(request.csr);
  if (!csr.ok()) {
    o_.metrics->Add("citadel_server_csr_parsing_err_count", 1);
    return csr.status();
  }
  const auto failed = [&](const char* error, const absl::Status& status) {
    o_.metrics->Add("citadel_server_csr_sign_err_count", 1, Cat("error=\"", error, "\""));
    return status;
  };
  const absl::StatusOr<absl::Duration> ttl = ChooseTtl(request.ttl, o_.ttl);
  if (!ttl.ok()) return failed("ttl", ttl.status());
  LeafOptions options{.identity = identity, .ttl = *ttl, .backdate = o_.ttl.backdate};
  const bool for_itself = identity == caller.identity;
  const std::string node = NodeOf(caller);
  if (for_itself && o_.node_accounts.contains(identity)) options.node = node;
  const std::shared_ptr<const Signers> signers = o_.authority->current();
  const absl::StatusOr<Leaf> leaf =
      IssueLeaf(*signers->active, csr->key.get(), options, now, o_.entropy);
  if (!leaf.ok()) return failed("sign", leaf.status());
  const absl::Status logged = o_.log->Record({.time = now,
                                              .serial = leaf->serial,
                                              .identity = identity.Uri(),
                                              .caller = for_itself ? "" : caller.identity.Uri(),
                                              .method = caller.method,
                                              .node = node,
                                              .peer = call.peer,
                                              .key = csr->key_kind,
                                              .csr_sha256 = csr->sha256,
                                              .generation = signers->state.active,
                                              .not_before = leaf->not_before,
                                              .not_after = leaf->not_after});
  o_.failures->Note(Failures::Part::kLog, logged, now);
  if (!logged.ok()) {
    return failed("log", absl::UnavailableError(
                             Cat("the issuance log cannot be written: ", logged.message())));
  }
  // The last step: a node whose request fails for our reasons has no other token to come with.
  if (const absl::Status used = Consume(caller.join_token, now); !used.ok()) {
    return failed("join_token", used);
  }
  o_.metrics->Add("citadel_server_success_cert_issuance_count", 1);
  o_.metrics->Add("meltemi_ca_issued", 1, Cat("method=\"", caller.method, "\""));
  return CertificateReply{leaf->pem, signers->active->intermediates_pem(), signers->trusted_pem};
}

}  // namespace meltemi::ca
