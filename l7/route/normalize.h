// Path normalization (RFC 3986 6.2.2): percent-encoded unreserved characters are decoded, dot
// segments removed; backslashes are read as slashes, as browsers do. Pure; linear in the path.
#ifndef MELTEMI_L7_ROUTE_NORMALIZE_H_
#define MELTEMI_L7_ROUTE_NORMALIZE_H_

#include <string>
#include <string_view>

namespace meltemi::route {

// `path` with its query, which stays as it is. ".." above the root stays at the root. False: a bad
// percent encoding.
bool NormalizePath(std::string_view path, std::string* out);

}  // namespace meltemi::route

#endif  // MELTEMI_L7_ROUTE_NORMALIZE_H_
