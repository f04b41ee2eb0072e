#include "ca/authn/token_review.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "ca/limits.h"
#include "l7/base/text.h"
#include "l7/policy/jwt/json.h"

namespace meltemi::ca {
namespace {

constexpr char kPath[] = "/apis/authentication.k8s.io/v1/tokenreviews";

std::string Request(const std::string& token, const std::vector<std::string>& audiences) {
  std::string list;
  for (const std::string& audience : audiences) {
    AppendTo(&list, list.empty() ? "" : ",", policy::JsonQuote(audience));
  }
  return Cat(R"({"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":)",
             policy::JsonQuote(token), R"(,"audiences":[)", list, "]}}");
}

// The first of user.extra[name], a list of strings.
std::string Extra(const policy::Json& user, std::string_view name) {
  const policy::Json* list = user.Find({"extra", name});
  if (list == nullptr || list->items().empty() || list->items()[0].AsString() == nullptr) return "";
  return *list->items()[0].AsString();
}

// A server that knows audiences names the ones that fit. One that does not leaves the list out,
// and then the token is for the server itself only: Kubernetes says to refuse it.
bool AudienceFits(const policy::Json& status, const std::vector<std::string>& wanted) {
  if (wanted.empty()) return true;
  const policy::Json* list = status.Find("audiences");
  if (list == nullptr) return false;
  return std::any_of(list->items().begin(), list->items().end(), [&](const policy::Json& item) {
    return item.AsString() != nullptr &&
           std::find(wanted.begin(), wanted.end(), *item.AsString()) != wanted.end();
  });
}

}  // namespace

absl::StatusOr<Caller> ReadTokenReview(const std::string& text,
                                       const std::vector<std::string>& audiences,
                                       const TrustDomains& domains) {
  const absl::StatusOr<policy::Json> json = policy::Json::Parse(text);
  if (!json.ok()) {
    return absl::UnavailableError(Cat("TokenReview's answer: ", json.status().message()));
  }
  const policy::Json* status = json->Find("status");
  if (status == nullptr || !status->IsObject()) {
    return absl::UnavailableError("TokenReview's answer has no status");
  }
  const policy::Json* authenticated = status->Find("authenticated");
  if (authenticated == nullptr || authenticated->AsBool() != true) {
    const std::string error = status->StringOf("error");
    return absl::UnauthenticatedError(
        Cat("TokenReview: the token is not valid", error.empty() ? "" : ": ", error));
  }
  if (!AudienceFits(*status, audiences)) {
    return absl::UnauthenticatedError("TokenReview: the token is for another audience");
  }
  const policy::Json* user = status->Find("user");
  if (user == nullptr) return absl::UnavailableError("TokenReview's answer has no user");
  const absl::StatusOr<Identity> identity = IdentityOfSubject(domains, user->StringOf("username"));
  if (!identity.ok()) return absl::UnauthenticatedError(identity.status().message());
  return Caller{.identity = *identity,
                .method = "tokenreview",
                .node = Extra(*user, "authentication.kubernetes.io/node-name"),
                .pod = Extra(*user, "authentication.kubernetes.io/pod-name"),
                .pod_uid = Extra(*user, "authentication.kubernetes.io/pod-uid")};
}

absl::StatusOr<Caller> TokenReviewVerifier::Verify(const std::string& token, absl::Time) {
  std::string own;
  if (!options_.own_token_file.empty()) {
    const auto read =
        files_->Read(options_.own_token_file, limits::kTokenBytesMax, Files::Secrecy::kPublic);
    if (!read.ok()) {
      return absl::UnavailableError(Cat("the token for the API server: ", read.status().message()));
    }
    own = std::string(absl::StripAsciiWhitespace(*read));
  }
  const absl::StatusOr<HttpAnswer> answer =
      http_->Post(kPath, own, Request(token, options_.audiences));
  if (!answer.ok()) return absl::UnavailableError(answer.status().message());
  if (answer->status != 200 && answer->status != 201) {
    return absl::UnavailableError(Cat("TokenReview: the API server answered ", answer->status));
  }
  return ReadTokenReview(answer->body, options_.audiences, domains_);
}

}  // namespace meltemi::ca
