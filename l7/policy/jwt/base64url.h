// base64url without padding (RFC 4648 section 5, RFC 7515 section 2). Strict: padding, other
// characters and non-zero spare bits are refused, so that one value has one spelling. Pure.
#ifndef MELTEMI_L7_POLICY_JWT_BASE64URL_H_
#define MELTEMI_L7_POLICY_JWT_BASE64URL_H_

#include <optional>
#include <string>
#include <string_view>

namespace meltemi::policy {

std::optional<std::string> Base64UrlDecode(std::string_view text);
std::string Base64UrlEncode(std::string_view bytes);

}  // namespace meltemi::policy

#endif  // MELTEMI_L7_POLICY_JWT_BASE64URL_H_
