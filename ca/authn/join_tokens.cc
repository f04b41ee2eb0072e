#include "ca/authn/join_tokens.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "ca/limits.h"
#include "l7/base/text.h"
#include "l7/policy/jwt/base64url.h"
#include "l7/policy/jwt/json.h"

namespace meltemi::ca {
namespace {

constexpr std::string_view kPrefix = "mjt1.";
constexpr size_t kIdDigits = 16;
constexpr size_t kTokenFileBytesMax = 4096;

// The id becomes a file's name: nothing but digits may get there.
bool GoodId(std::string_view id) {
  return id.size() == kIdDigits && std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

absl::Status Unknown() {
  return absl::UnauthenticatedError("the join token is unknown, used or expired");
}

}  // namespace

bool JoinTokens::LooksLikeOne(std::string_view text) { return text.starts_with(kPrefix); }

absl::StatusOr<std::string> JoinTokens::Create(const Identity& identity, const std::string& node,
                                               absl::Duration ttl, absl::Time now,
                                               const Entropy& entropy) {
  if (ttl <= absl::ZeroDuration()) return absl::InvalidArgumentError("the token would be expired");
  if (const absl::Status made = files_->MakeFolder(folder_); !made.ok()) return made;
  Sweep(now);
  const auto names = files_->List(folder_);
  if (names.ok() && names->size() >= limits::kJoinTokensMax) {
    return absl::ResourceExhaustedError("too many unused join tokens");
  }
  uint8_t random[40];
  entropy(absl::MakeSpan(random));
  const std::string_view bytes(reinterpret_cast<char*>(random), sizeof(random));
  const std::string id = absl::BytesToHexString(Abs(bytes.substr(0, 8)));
  const std::string secret = policy::Base64UrlEncode(bytes.substr(8));
  const std::string text =
      Cat(R"({"sha256":")", Sha256Hex(secret), R"(","identity":")", identity.Uri(), R"(","node":)",
          policy::JsonQuote(node), R"(,"expires":)", absl::ToUnixSeconds(now + ttl), "}\n");
  const absl::Status written = files_->Replace(Cat(folder_, "/", id), text);
  if (!written.ok()) return written;
  return Cat(kPrefix, id, ".", secret);
}

absl::StatusOr<Caller> JoinTokens::Check(std::string_view token, absl::Time now) const {
  if (!LooksLikeOne(token)) return Unknown();
  token.remove_prefix(kPrefix.size());
  const size_t dot = token.find('.');
  if (dot == std::string_view::npos || !GoodId(token.substr(0, dot))) return Unknown();
  const std::string id(token.substr(0, dot));
  const auto text =
      files_->Read(Cat(folder_, "/", id), kTokenFileBytesMax, Files::Secrecy::kSecret);
  if (!text.ok()) {
    return text.status().code() == absl::StatusCode::kNotFound ? Unknown() : text.status();
  }
  const auto json = policy::Json::Parse(*text);
  if (!json.ok()) return absl::InternalError(Cat("join token ", id, ": ", json.status().message()));
  const std::string wanted = json->StringOf("sha256");
  const std::string given = Sha256Hex(token.substr(dot + 1));
  const policy::Json* expires = json->Find("expires");
  const bool same = wanted.size() == given.size() &&
                    CRYPTO_memcmp(wanted.data(), given.data(), given.size()) == 0;
  if (!same || expires == nullptr || absl::ToUnixSeconds(now) >= expires->AsInteger().value_or(0)) {
    return Unknown();
  }
  const absl::StatusOr<Identity> identity = ParseSpiffe(json->StringOf("identity"));
  if (!identity.ok()) return absl::InternalError(identity.status().message());
  return Caller{
      .identity = *identity, .method = "join", .node = json->StringOf("node"), .join_token = id};
}

absl::Status JoinTokens::Consume(const std::string& id) {
  const absl::Status removed = files_->Remove(Cat(folder_, "/", id));
  return removed.code() == absl::StatusCode::kNotFound ? Unknown() : removed;
}

void JoinTokens::Sweep(absl::Time now) {
  const auto names = files_->List(folder_);
  if (!names.ok()) return;  // there is no folder before the first token
  for (const std::string& name : *names) {
    const std::string path = Cat(folder_, "/", name);
    const auto text = files_->Read(path, kTokenFileBytesMax, Files::Secrecy::kPublic);
    if (!text.ok() || !GoodId(name)) continue;
    const auto json = policy::Json::Parse(*text);
    const policy::Json* expires = json.ok() ? json->Find("expires") : nullptr;
    if (expires == nullptr || absl::ToUnixSeconds(now) < expires->AsInteger().value_or(0)) continue;
    // Two may sweep at once; the second finds nothing, which is as good.
    files_->Remove(path).IgnoreError();
  }
}

}  // namespace meltemi::ca
