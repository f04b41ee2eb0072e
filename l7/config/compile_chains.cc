// filter_chain_match: what decides which of a listener's chains takes a connection.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using FromChainMatch = envoy::config::listener::v3::FilterChainMatch;
using FromPrefixes = google::protobuf::RepeatedPtrField<envoy::config::core::v3::CidrRange>;

// Names of one host, or of all below one.
absl::Status CheckServerName(std::string_view name) {
  const std::string_view rest = name.starts_with("*.") ? name.substr(2) : name;
  if (rest.empty() || rest.find('*') != std::string_view::npos) {
    return Invalid("", Cat("\"", name, "\" is neither a name nor \"*.\" and a name"));
  }
  return absl::OkStatus();
}

template <typename T>
void SortOnce(std::vector<T>* values) {
  std::sort(values->begin(), values->end());
  values->erase(std::unique(values->begin(), values->end()), values->end());
}

absl::StatusOr<std::vector<IpPrefix>> CompilePrefixes(std::string_view field,
                                                      const FromPrefixes& from) {
  std::vector<IpPrefix> to;
  for (int i = 0; i < from.size(); ++i) {
    ASSIGN_OR_RETURN_AT(to.emplace_back(), Indexed(field, i), CompilePrefix(from[i]));
  }
  SortOnce(&to);
  return to;
}

absl::Status CompileBytes(const FromChainMatch& from, ChainMatch* to) {
  for (int i = 0; i < from.server_names_size(); ++i) {
    RETURN_IF_ERROR_AT(Indexed("server_names", i), CheckServerName(from.server_names(i)));
    to->server_names.push_back(absl::AsciiStrToLower(from.server_names(i)));
  }
  if (from.transport_protocol() == "tls") {
    to->transport = Transport::kTls;
  } else if (from.transport_protocol() == "raw_buffer") {
    to->transport = Transport::kPlain;
  } else if (!from.transport_protocol().empty()) {
    return Invalid("transport_protocol", "must be \"tls\" or \"raw_buffer\"");
  }
  for (int i = 0; i < from.application_protocols_size(); ++i) {
    const std::string& protocol = from.application_protocols(i);
    if (protocol.empty() || protocol.size() > 255) {
      return Invalid(Indexed("application_protocols", i), "must have 1 to 255 bytes");
    }
    to->protocols.push_back(protocol);
  }
  if (!to->protocols.empty() && to->transport != Transport::kTls) {
    return Invalid("application_protocols", "only where transport_protocol is \"tls\"");
  }
  return absl::OkStatus();
}

absl::Status CompileAddressesOf(const FromChainMatch& from, ChainMatch* to) {
  if (from.has_destination_port()) {
    const uint32_t port = from.destination_port().value();
    if (port == 0 || port > 65535) {
      return Invalid("destination_port", Cat(port, " is not in 1..65535"));
    }
    to->destination_port = static_cast<uint16_t>(port);
  }
  const struct {
    std::string_view field;
    const FromPrefixes& from;
    std::vector<IpPrefix>* to;
  } kLists[] = {
      {"prefix_ranges", from.prefix_ranges(), &to->destinations},
      {"direct_source_prefix_ranges", from.direct_source_prefix_ranges(), &to->direct_sources},
      {"source_prefix_ranges", from.source_prefix_ranges(), &to->sources}};
  for (const auto& list : kLists) {
    auto prefixes = CompilePrefixes(list.field, list.from);
    if (!prefixes.ok()) return prefixes.status();
    *list.to = *std::move(prefixes);
  }
  switch (from.source_type()) {
    case FromChainMatch::ANY:
      break;
    case FromChainMatch::SAME_IP_OR_LOOPBACK:
      to->source_type = SourceType::kSameIpOrLoopback;
      break;
    case FromChainMatch::EXTERNAL:
      to->source_type = SourceType::kExternal;
      break;
    default:  // open enum of proto3
      return Invalid("source_type", Cat(from.source_type(), " is not known"));
  }
  for (int i = 0; i < from.source_ports_size(); ++i) {
    const uint32_t port = from.source_ports(i);
    if (port == 0 || port > 65535) {
      return Invalid(Indexed("source_ports", i), Cat(port, " is not in 1..65535"));
    }
    to->source_ports.push_back(static_cast<uint16_t>(port));
  }
  SortOnce(&to->source_ports);
  return absl::OkStatus();
}

// Both have one of the other's, or neither has any.
template <typename T>
bool Overlap(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.empty() || b.empty()) return a.empty() == b.empty();
  return std::any_of(a.begin(), a.end(), [&b](const T& value) {
    return std::find(b.begin(), b.end(), value) != b.end();
  });
}

// The same of sorted prefixes: none are those of no bits, which stand first in their family.
bool OverlapPrefixes(const std::vector<IpPrefix>& a, const std::vector<IpPrefix>& b) {
  const auto all = [](const IpPrefix& prefix) { return prefix.bits == 0; };
  if (a.empty() || b.empty()) {
    const std::vector<IpPrefix>& other = a.empty() ? b : a;
    return other.empty() || std::any_of(other.begin(), other.end(), all);
  }
  for (auto i = a.begin(), j = b.begin(); i != a.end() && j != b.end();) {
    if (*i == *j) return true;
    *i < *j ? ++i : ++j;
  }
  return false;
}

}  // namespace

absl::StatusOr<ChainMatch> CompileChainMatch(const FromChainMatch& from) {
  ChainMatch to;
  RETURN_IF_ERROR(CompileBytes(from, &to));
  RETURN_IF_ERROR(CompileAddressesOf(from, &to));
  return to;
}

bool Clash(const ChainMatch& a, const ChainMatch& b) {
  return a.fallback == b.fallback && a.transport == b.transport &&
         a.destination_port == b.destination_port && a.source_type == b.source_type &&
         Overlap(a.protocols, b.protocols) && Overlap(a.source_ports, b.source_ports) &&
         OverlapPrefixes(a.destinations, b.destinations) &&
         OverlapPrefixes(a.direct_sources, b.direct_sources) &&
         OverlapPrefixes(a.sources, b.sources) && Overlap(a.server_names, b.server_names);
}

std::string NameOfChain(const envoy::config::listener::v3::FilterChain& from,
                        const ChainMatch& match) {
  if (match.fallback) return "default";
  if (!from.name().empty()) return from.name();
  std::string name(from.filter_chain_match().transport_protocol());
  const auto add = [&name](const std::string& part) {
    AppendTo(&name, name.empty() ? "" : ",", part);
  };
  for (const auto* names : {&match.server_names, &match.protocols}) {
    for (const std::string& part : *names) add(part);
  }
  for (const auto* prefixes : {&match.destinations, &match.direct_sources, &match.sources}) {
    for (const IpPrefix& prefix : *prefixes) add(prefix.ToString());
  }
  if (match.destination_port != 0) add(Cat(match.destination_port));
  if (match.source_type != SourceType::kAny) {
    add(match.source_type == SourceType::kExternal ? "external" : "local");
  }
  for (const uint16_t port : match.source_ports) add(Cat(port));
  return name;
}

size_t PrefixCountOf(const ChainMatch& match) {
  return match.destinations.size() + match.direct_sources.size() + match.sources.size();
}

}  // namespace meltemi::config
