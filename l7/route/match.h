// Which route a request takes: host lookup, route match, the draw among weighted clusters. Pure
// functions over a snapshot and a view of the request.
//
// Owns nothing. Must not know connections, time or how headers are stored.
// Called by l7/engine on the worker's thread. Bounded by the routes of one virtual host.
#ifndef MELTEMI_L7_ROUTE_MATCH_H_
#define MELTEMI_L7_ROUTE_MATCH_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "l7/base/prng.h"
#include "l7/config/snapshot.h"

namespace meltemi::route {

// The value of a header by its lower-case name; several lines joined by ',' (RFC 9110 5.3).
using HeaderLookup = absl::FunctionRef<std::optional<std::string_view>(std::string_view)>;

struct RequestView {
  std::string_view method;
  std::string_view scheme;
  std::string_view authority;
  std::string_view path;  // with its query
  HeaderLookup header;
};

// A header, or what a pseudo-header's name stands for.
std::optional<std::string_view> HeaderOf(std::string_view name, const RequestView& request);

// path without its query and fragment.
std::string_view PathOnly(std::string_view path);

bool Matches(const config::StringMatch& match, std::string_view value);
bool Matches(const config::HeaderMatch& match, const RequestView& request);
bool Matches(const config::QueryMatch& match, std::string_view path);
// All of them match.
bool MatchesAll(const std::vector<config::HeaderMatch>& matches, const RequestView& request);
bool MatchesPath(const config::RouteMatch& match, std::string_view path_only);
bool Matches(const config::RouteMatch& match, const RequestView& request, Prng& prng);

// True with the fraction's probability; draws only when the answer is open.
bool Draw(const config::Fraction& fraction, Prng& prng);

// Null: no virtual host takes this authority. The port is part of it, as in Envoy.
const config::VirtualHost* FindHost(const config::RouteTable& table, std::string_view authority);
// The first route that matches; null: none.
const config::Route* FindRoute(const config::VirtualHost& host, const RequestView& request,
                               Prng& prng);
const config::WeightedCluster& PickCluster(const std::vector<config::WeightedCluster>& clusters,
                                           uint64_t total_weight, Prng& prng);

}  // namespace meltemi::route

#endif  // MELTEMI_L7_ROUTE_MATCH_H_
