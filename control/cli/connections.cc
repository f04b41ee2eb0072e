#include "control/cli/connections.h"

#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "control/cli/table.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"

namespace meltemi::control::cli {
namespace {

using Labels = std::map<std::string, std::string, std::less<>>;

struct Line {
  std::string_view name;
  Labels labels;
  double value = 0;
};

// `name{a="b",c="d"} 7`, with the escapes of a label (text format 0.0.4).
std::optional<Line> ReadLine(std::string_view text) {
  const size_t open = text.find('{');
  if (open == std::string_view::npos || text.front() == '#') return std::nullopt;
  Line line{.name = text.substr(0, open)};
  size_t at = open + 1;
  while (at < text.size() && text[at] != '}') {
    const size_t equals = text.find("=\"", at);
    if (equals == std::string_view::npos) return std::nullopt;
    std::string value;
    size_t end = equals + 2;
    for (; end < text.size() && text[end] != '"'; ++end) {
      if (text[end] == '\\' && end + 1 < text.size()) {
        ++end;
        value.push_back(text[end] == 'n' ? '\n' : text[end]);
      } else {
        value.push_back(text[end]);
      }
    }
    line.labels[std::string(text.substr(at, equals - at))] = std::move(value);
    at = end + 1;
    if (at < text.size() && text[at] == ',') ++at;
  }
  if (at + 1 >= text.size()) return std::nullopt;
  const std::string_view number = text.substr(at + 2);
  if (!absl::SimpleAtod(absl::string_view(number.data(), number.size()), &line.value)) {
    return std::nullopt;
  }
  return line;
}

std::string Known(const Labels& labels, std::string_view name) {
  const auto found = labels.find(name);
  return found == labels.end() || found->second == "unknown" ? "" : found->second;
}

using Ends = std::tuple<std::string, std::string, bool>;  // the principals, and whether proven
Ends EndsOf(const Talk& talk) {
  return {talk.source_principal, talk.destination_principal, talk.mutual_tls};
}

struct Told {
  Talk talk;
  bool by_server = false;
};

// Adds the line to its pair.
void Add(const Line& line, std::map<std::tuple<std::string, Ends, std::string, bool>, Told>* all) {
  const bool tcp = line.name == "istio_tcp_connections_closed_total";
  if (!tcp && line.name != "istio_requests_total") return;
  Told told{.by_server = Known(line.labels, "reporter") == "destination"};
  const std::string workload = Known(line.labels, "source_workload");
  if (!workload.empty()) {
    told.talk.source = absl::StrCat(workload, ".", Known(line.labels, "source_workload_namespace"));
  }
  told.talk.source_principal = Known(line.labels, "source_principal");
  told.talk.destination = Known(line.labels, "destination_service");
  told.talk.destination_principal = Known(line.labels, "destination_principal");
  told.talk.mutual_tls = Known(line.labels, "connection_security_policy") == "mutual_tls";
  Talk& talk =
      all->try_emplace({told.talk.source, EndsOf(told.talk), told.talk.destination, told.by_server},
                       told)
          .first->second.talk;
  const auto count = static_cast<uint64_t>(line.value);
  if (tcp) {
    talk.connections += count;
    return;
  }
  talk.requests += count;
  const std::string code = Known(line.labels, "response_code");
  if (code == "0" || absl::StartsWith(code, "5")) talk.failed += count;
}

std::string Shown(const std::string& text) { return text.empty() ? "-" : text; }
// As rules name principals.
std::string Principal(const std::string& uri) {
  return Shown(std::string(absl::StripPrefix(uri, "spiffe://")));
}

}  // namespace

std::vector<Talk> ReadTalks(const std::vector<std::string>& metrics) {
  std::map<std::tuple<std::string, Ends, std::string, bool>, Told> all;
  for (const std::string& text : metrics) {
    for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      if (const auto read = ReadLine({line.data(), line.size()})) Add(*read, &all);
    }
  }
  std::set<Ends> told_by_client;
  for (const auto& [key, told] : all) {
    if (!told.by_server) told_by_client.insert(EndsOf(told.talk));
  }
  std::vector<Talk> talks;
  for (auto& [key, told] : all) {
    const bool twice = told.by_server && told.talk.mutual_tls &&
                       told_by_client.find(EndsOf(told.talk)) != told_by_client.end();
    if (!twice) talks.push_back(std::move(told.talk));
  }
  return talks;
}

absl::StatusOr<std::map<std::string, std::string>> AdminAddresses(
    const v1::StatusResponse& status, const std::vector<std::string>& names,
    const std::string& port) {
  std::map<std::string, std::string> all, wanted;
  for (const auto& node : status.nodes()) {
    // gRPC's "ipv4:10.0.0.1:4000", "ipv6:%5B::1%5D:4000".
    std::string host = node.address().substr(0, node.address().rfind(':'));
    host = absl::StrReplaceAll(host, {{"ipv4:", ""}, {"ipv6:", ""}, {"%5B", "["}, {"%5D", "]"}});
    all[node.id()] = absl::StrCat(host, ":", port);
  }
  for (const std::string& name : names) {
    const auto found = all.find(name);
    if (found == all.end()) {
      return absl::NotFoundError(absl::StrCat("no node \"", name, "\" is connected to Pilot"));
    }
    wanted.insert(*found);
  }
  return names.empty() ? all : wanted;
}

std::string DescribeTalks(const std::vector<Talk>& talks) {
  std::vector<std::vector<std::string>> rows = {{"SOURCE", "SOURCE PRINCIPAL", "DESTINATION",
                                                 "DESTINATION PRINCIPAL", "MUTUAL TLS", "REQUESTS",
                                                 "FAILED", "CONNECTIONS"}};
  for (const Talk& t : talks) {
    const bool http = t.requests > 0 || t.connections == 0;
    rows.push_back({Shown(t.source), Principal(t.source_principal), Shown(t.destination),
                    Principal(t.destination_principal), t.mutual_tls ? "yes" : "no",
                    http ? absl::StrCat(t.requests) : "-", http ? absl::StrCat(t.failed) : "-",
                    t.connections > 0 ? absl::StrCat(t.connections) : "-"});
  }
  return FormatTable(rows);
}

std::string TalksToJson(const std::vector<Talk>& talks) {
  google::protobuf::ListValue list;
  for (const Talk& t : talks) {
    auto& fields = *list.add_values()->mutable_struct_value()->mutable_fields();
    fields["source"].set_string_value(t.source);
    fields["sourcePrincipal"].set_string_value(t.source_principal);
    fields["destination"].set_string_value(t.destination);
    fields["destinationPrincipal"].set_string_value(t.destination_principal);
    fields["mutualTls"].set_bool_value(t.mutual_tls);
    fields["requests"].set_number_value(static_cast<double>(t.requests));
    fields["failed"].set_number_value(static_cast<double>(t.failed));
    fields["connections"].set_number_value(static_cast<double>(t.connections));
  }
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(list, &text, options).ok()) return "[]\n";
  if (!absl::EndsWith(text, "\n")) text.push_back('\n');
  return text;
}

}  // namespace meltemi::control::cli
