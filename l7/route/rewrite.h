// What a route does to a path: rewrites for forwarding, the location of a redirect. Pure functions.
//
// Owns nothing; must not know connections. Called by l7/engine on the worker's thread.
#ifndef MELTEMI_L7_ROUTE_REWRITE_H_
#define MELTEMI_L7_ROUTE_REWRITE_H_

#include <string>
#include <string_view>

#include "l7/config/snapshot.h"
#include "l7/route/match.h"

namespace meltemi::route {

// False: the path stays. `path` has its query, which is kept.
bool RewritePath(const config::Forward& forward, const config::RouteMatch& match,
                 std::string_view path, std::string* out);

// The Location of a redirect (RFC 9110 10.2.2), an absolute URI.
std::string RedirectLocation(const config::Redirect& redirect, const config::RouteMatch& match,
                             const RequestView& request);

}  // namespace meltemi::route

#endif  // MELTEMI_L7_ROUTE_REWRITE_H_
