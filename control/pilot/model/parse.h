// YAML text -> typed objects. Strict: an unknown field, a bad value or a field that is not
// supported yet is a Problem with file, object and path, and then the objects must not be used.
// Pure; called by the registries and by the Control API's Apply, on their thread. Hostile input:
// bounded by kFileBytesMax, and by the node and list limits of yaml_reader.h.
#ifndef MELTEMI_CONTROL_PILOT_MODEL_PARSE_H_
#define MELTEMI_CONTROL_PILOT_MODEL_PARSE_H_

#include <string>

#include "control/pilot/model/problem.h"
#include "control/pilot/model/types.h"
#include "control/pilot/model/yaml_reader.h"

namespace meltemi::control::pilot::model {

inline constexpr size_t kFileBytesMax = 4 << 20;

// Adds the objects of a file of one or more YAML (or JSON) documents.
void ParseText(const std::string& file, const std::string& text, Objects* objects,
               Problems* problems);

// The parsers of single kinds: `root` is the whole document, `meta` already read.
void ParseService(MapReader& root, const Meta& meta, Objects* objects);
void ParsePod(MapReader& root, const Meta& meta, Objects* objects);
void ParseEndpoints(MapReader& root, const Meta& meta, Objects* objects);
void ParseEndpointSlice(MapReader& root, const Meta& meta, Objects* objects);
void ParseWorkloadEntry(MapReader& root, const Meta& meta, Objects* objects);
void ParseServiceEntry(MapReader& root, const Meta& meta, Objects* objects);
void ParseVirtualService(MapReader& root, const Meta& meta, Objects* objects);
void ParseDestinationRule(MapReader& root, const Meta& meta, Objects* objects);
void ParseAuthorizationPolicy(MapReader& root, const Meta& meta, Objects* objects);
void ParsePeerAuthentication(MapReader& root, const Meta& meta, Objects* objects);
void ParseGateway(MapReader& root, const Meta& meta, Objects* objects);
void ParseSecret(MapReader& root, const Meta& meta, Objects* objects);
// A Secret's document without its values.
YAML::Node ShownSecret(const YAML::Node& node);

// Istio's protocol selection: appProtocol, else the port's name "<protocol>[-suffix]"; else TCP.
Protocol SelectProtocol(const std::string& app_protocol, const std::string& name, bool udp);
// A port number field, 1..65535; 0 when absent or bad.
LocalityLb ReadLocalityLb(MapReader& map);
uint32_t ReadPort(MapReader& map, const std::string& name);
// A host name, "*" or "*.suffix".
bool IsHostPattern(const std::string& host);
bool IsIp(const std::string& text);
bool IsIpv6(const std::string& text);

}  // namespace meltemi::control::pilot::model

#endif  // MELTEMI_CONTROL_PILOT_MODEL_PARSE_H_
