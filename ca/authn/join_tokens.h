// Join tokens: a secret, good for one certificate, by which a machine without a platform's token
// becomes known. The folder holds a hash of each unused one. Any thread and process: a token is
// consumed by removing its file, which succeeds once.
#ifndef MELTEMI_CA_AUTHN_JOIN_TOKENS_H_
#define MELTEMI_CA_AUTHN_JOIN_TOKENS_H_

#include <string>
#include <string_view>

#include "ca/authn/caller.h"
#include "ca/issuer/issuer.h"
#include "ca/keystore/files.h"

namespace meltemi::ca {

class JoinTokens {
 public:
  JoinTokens(Files* files, std::string folder) : files_(files), folder_(std::move(folder)) {}

  // "mjt1.ID.SECRET".
  static bool LooksLikeOne(std::string_view text);

  // The token's text, which is kept nowhere. `node`: the node whose plane will use it; may be
  // empty.
  absl::StatusOr<std::string> Create(const Identity& identity, const std::string& node,
                                     absl::Duration ttl, absl::Time now, const Entropy& entropy);
  // Does not consume it.
  absl::StatusOr<Caller> Check(std::string_view token, absl::Time now) const;
  absl::Status Consume(const std::string& id);
  // Removes what has expired.
  void Sweep(absl::Time now);

 private:
  Files* const files_;
  const std::string folder_;
};

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_AUTHN_JOIN_TOKENS_H_
