// Kind Gateway.
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "control/pilot/model/parse.h"

namespace meltemi::control::pilot::model {
namespace {

ServerProtocol ReadProtocol(MapReader& port) {
  const std::string protocol = port.RequiredString("protocol");
  if (protocol == "HTTP" || protocol == "HTTP2" || protocol == "GRPC" || protocol == "GRPC-WEB") {
    return ServerProtocol::kHttp;
  }
  if (protocol == "HTTPS") return ServerProtocol::kHttps;
  if (protocol == "TLS") return ServerProtocol::kTls;
  if (protocol != "TCP" && protocol != "MONGO" && !protocol.empty()) {
    port.Problem("protocol", "must be one of HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, MONGO, TCP, TLS");
  }
  return ServerProtocol::kTcp;
}

// "dns", "namespace/dns", "*/dns", "./dns".
void ReadHosts(MapReader& server, const std::string& ns, GatewayServer* out) {
  int index = 0;
  for (const std::string& written : server.StringList("hosts")) {
    const size_t slash = written.find('/');
    std::string from = slash == std::string::npos ? "*" : written.substr(0, slash);
    std::string host = slash == std::string::npos ? written : written.substr(slash + 1);
    if (from == ".") from = ns;
    if (from.empty() || !IsHostPattern(host)) {
      server.report().Add(
          absl::StrCat(server.Path("hosts"), "[", index, "]"),
          absl::StrCat("\"", written, "\" is not a host name, *, or *.suffix, after a namespace/"));
    }
    out->hosts.emplace_back(std::move(from), std::move(host));
    ++index;
  }
  if (out->hosts.empty()) server.Problem("hosts", "required");
}

int ReadTlsVersion(MapReader& tls, const char* name) {
  const auto version = tls.Enum(name, {"TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"});
  if (!version || *version == 0) return 0;
  if (*version < 3) {
    tls.Problem(name, "TLS before 1.2 is not spoken (RFC 8996)");
    return 0;
  }
  return *version + 9;
}

void ReadCertificates(MapReader& tls, ServerTls* out) {
  const std::string chain = tls.StringOr("serverCertificate", "");
  const std::string key = tls.StringOr("privateKey", "");
  if (!chain.empty() || !key.empty()) out->certificates.emplace_back(chain, key);
  tls.Each("tlsCertificates", [&](MapReader& one) {
    out->certificates.emplace_back(one.RequiredString("serverCertificate"),
                                   one.RequiredString("privateKey"));
    one.NotYet({"caCertificates"});
  });
  if (chain.empty() != key.empty()) {
    tls.Problem(chain.empty() ? "serverCertificate" : "privateKey", "required");
  }
  out->ca_certificates = tls.StringOr("caCertificates", "");
  out->credential_name = tls.StringOr("credentialName", "");
  if (out->credential_name.empty()) return;
  if (!out->certificates.empty() || !out->ca_certificates.empty()) {
    tls.Problem("credentialName", "instead of files, or files without it");
  }
  if (out->credential_name.find("://") != std::string::npos ||
      out->credential_name.find('/') != std::string::npos) {
    tls.Problem("credentialName", "must be the name of a Secret of the gateway's namespace");
  }
  if (absl::EndsWith(out->credential_name, "-cacert")) {
    tls.Problem("credentialName", "must not end in -cacert: that is the authority of clients");
  }
}

void CheckMode(MapReader& tls, const ServerTls& read) {
  const bool own = read.mode == ServerTlsMode::kSimple || read.mode == ServerTlsMode::kMutual ||
                   read.mode == ServerTlsMode::kOptionalMutual;
  const bool verifies = own && read.mode != ServerTlsMode::kSimple;
  const bool by_name = !read.credential_name.empty();
  if (own && read.certificates.empty() && !by_name) {
    tls.Problem("serverCertificate", "required, with privateKey; or credentialName");
  }
  if (!own && (!read.certificates.empty() || by_name)) {
    tls.Problem("mode", "has no certificates of its own: use SIMPLE or MUTUAL");
  }
  if (verifies && read.ca_certificates.empty() && !by_name) {
    tls.Problem("caCertificates", "required to verify clients");
  }
}

ServerTls ReadServerTls(MapReader& tls) {
  ServerTls out;
  static constexpr ServerTlsMode kModes[] = {
      ServerTlsMode::kPassthrough, ServerTlsMode::kSimple,      ServerTlsMode::kMutual,
      ServerTlsMode::kPassthrough, ServerTlsMode::kIstioMutual, ServerTlsMode::kOptionalMutual};
  constexpr int kAutoPassthrough = 3;
  const auto mode = tls.Enum("mode", {"PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH",
                                      "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"});
  if (mode == kAutoPassthrough) tls.Problem("mode", "AUTO_PASSTHROUGH is not supported yet");
  out.mode = kModes[mode.value_or(0)];
  ReadCertificates(tls, &out);
  out.subject_alt_names = tls.StringList("subjectAltNames");
  out.version_min = ReadTlsVersion(tls, "minProtocolVersion");
  out.version_max = ReadTlsVersion(tls, "maxProtocolVersion");
  if (out.version_max != 0 && out.version_min > out.version_max) {
    tls.Problem("minProtocolVersion", "is above maxProtocolVersion");
  }
  out.cipher_suites = tls.StringList("cipherSuites");
  CheckMode(tls, out);
  tls.NotYet({"credentialNames", "caCertCredentialName", "caCrl", "verifyCertificateSpki",
              "verifyCertificateHash"});
  return out;
}

GatewayServer ReadServer(MapReader& server, const std::string& ns) {
  GatewayServer out;
  const bool given = server.In("port", [&](MapReader& port) {
    out.port = ReadPort(port, "number");
    if (!port.Has("number")) port.Problem("number", "required");
    out.port_name = port.RequiredString("name");
    out.protocol = ReadProtocol(port);
    port.Accept({"targetPort"});
  });
  if (!given) server.Problem("port", "required");
  ReadHosts(server, ns, &out);
  const bool plain = out.protocol == ServerProtocol::kHttp || out.protocol == ServerProtocol::kTcp;
  server.In("tls", [&](MapReader& tls) {
    out.https_redirect = tls.Bool("httpsRedirect").value_or(false);
    if (out.https_redirect && out.protocol != ServerProtocol::kHttp) {
      tls.Problem("httpsRedirect", "only of HTTP ports");
    }
    if (plain && tls.Has("mode")) tls.Problem("mode", "only of HTTPS and TLS ports");
    if (!plain) out.tls = ReadServerTls(tls);
  });
  if (!plain && !out.tls) server.Problem("tls", "required by HTTPS and TLS ports");
  server.Accept({"name", "defaultEndpoint"});
  server.NotYet({"bind"});
  return out;
}

}  // namespace

void ParseGateway(MapReader& root, const Meta& meta, Objects* objects) {
  Gateway out{.meta = meta};
  const bool given = root.In("spec", [&](MapReader& spec) {
    out.selector = spec.StringMap("selector");
    if (out.selector.empty()) spec.Problem("selector", "required: the workloads it runs on");
    std::set<std::string> names;
    spec.Each("servers", [&](MapReader& server) {
      out.servers.push_back(ReadServer(server, meta.ns));
      const std::string& name = out.servers.back().port_name;
      if (names.insert(name).second) return;
      server.report().Add(absl::StrCat(server.Path("port"), ".name"),
                          absl::StrCat("\"", name, "\" is given twice"));
    });
    if (out.servers.empty()) spec.Problem("servers", "required");
  });
  if (!given) root.Problem("spec", "required");
  root.Accept({"status"});
  objects->gateways.push_back(std::move(out));
}

}  // namespace meltemi::control::pilot::model
