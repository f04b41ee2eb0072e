// HTTP2-Settings (RFC 7540 3.2.1): the SETTINGS of a client that offers h2c by Upgrade. Pure.
#ifndef MELTEMI_L7_HTTP2_UPGRADE_H_
#define MELTEMI_L7_HTTP2_UPGRADE_H_

#include <string>
#include <string_view>

namespace meltemi::http2 {

// From base64url to the payload of a SETTINGS frame; false: it is none that Session::BeginUpgraded
// would take.
bool DecodeSettingsHeader(std::string_view value, std::string* payload);

}  // namespace meltemi::http2

#endif  // MELTEMI_L7_HTTP2_UPGRADE_H_
