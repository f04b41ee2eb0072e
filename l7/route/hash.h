// The hash of a request, for consistent balancers: what its route's hash policies say.
//
// Pure functions over a snapshot and a view of the request; called by l7/engine on the worker's
// thread, only for clusters with such a balancer. Bounded by the policies of one route.
#ifndef MELTEMI_L7_ROUTE_HASH_H_
#define MELTEMI_L7_ROUTE_HASH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "l7/base/ip_addr.h"
#include "l7/config/snapshot.h"
#include "l7/route/match.h"

namespace meltemi::route {

struct HashSource {
  const RequestView& request;
  SockAddr client, local;  // of the downstream connection
};

struct RequestHash {
  std::optional<uint64_t> hash;         // absent: no policy had anything to go by
  std::vector<std::string> set_cookie;  // for the response: cookies made for a client without
};

// Envoy's order: hashes of several policies are folded; a terminal one that has a hash ends it.
RequestHash HashOf(const std::vector<config::HashPolicy>& policies, const HashSource& source);

// The line of the cookie that these policies make for such a client.
std::string MadeCookie(const std::vector<config::HashPolicy>& policies, const SockAddr& client,
                       const SockAddr& local);

// Of a TCP connection, and of a request by source address.
uint64_t HashOfIp(const IpAddr& ip);

// The value of a cookie in a Cookie header (RFC 6265 5.4), without quotes; nullopt: not there.
std::optional<std::string_view> CookieValue(std::string_view header, std::string_view name);
// The value of the first query parameter of that name, as it stands; nullopt: not there.
std::optional<std::string_view> QueryValue(std::string_view path, std::string_view name);

}  // namespace meltemi::route

#endif  // MELTEMI_L7_ROUTE_HASH_H_
