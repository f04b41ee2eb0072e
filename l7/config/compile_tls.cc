// transport_socket of listeners and clusters: envoy.extensions.transport_sockets.tls.v3.
#include <algorithm>
#include <iterator>

#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using envoy::config::core::v3::ConfigSource;
using envoy::config::core::v3::TransportSocket;
using envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext;
using envoy::extensions::transport_sockets::tls::v3::CommonTlsContext;
using envoy::extensions::transport_sockets::tls::v3::DownstreamTlsContext;
using envoy::extensions::transport_sockets::tls::v3::SdsSecretConfig;
using envoy::extensions::transport_sockets::tls::v3::Secret;
using envoy::extensions::transport_sockets::tls::v3::SubjectAltNameMatcher;
using envoy::extensions::transport_sockets::tls::v3::TlsCertificate;
using envoy::extensions::transport_sockets::tls::v3::TlsParameters;
using envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext;
using envoy::type::matcher::v3::StringMatcher;

constexpr std::string_view kSpiffe = "spiffe://";
// Envoy's names of its TLS 1.2 suites are OpenSSL's; older ones are refused, not ignored.
constexpr std::string_view kSuites12[] = {
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
};

absl::StatusOr<DataSource> CompileDataSource(const envoy::config::core::v3::DataSource& from) {
  using From = envoy::config::core::v3::DataSource;
  switch (from.specifier_case()) {
    case From::kFilename:
      if (from.filename().empty()) return Invalid("filename", "must not be empty");
      return DataSource{.filename = from.filename()};
    case From::kInlineString:
      return DataSource{.text = from.inline_string()};
    case From::kInlineBytes:
      return DataSource{.text = from.inline_bytes()};
    case From::kEnvironmentVariable:
    case From::SPECIFIER_NOT_SET:
      break;
  }
  return Invalid("", "one of filename, inline_string, inline_bytes must be set");
}

absl::StatusOr<TlsCertificateSource> CompileCertificate(const TlsCertificate& from) {
  TlsCertificateSource to;
  if (!from.has_certificate_chain()) return Invalid("certificate_chain", "must be set");
  if (!from.has_private_key()) return Invalid("private_key", "must be set");
  ASSIGN_OR_RETURN_AT(to.chain, "certificate_chain", CompileDataSource(from.certificate_chain()));
  ASSIGN_OR_RETURN_AT(to.key, "private_key", CompileDataSource(from.private_key()));
  return to;
}

// Files that are read again every second need no watched_directory; a path is one by itself, or the
// older field of that name.
absl::StatusOr<std::string> CompileSecretPath(const ConfigSource& from) {
  using From = envoy::config::core::v3::ConfigSource;
  switch (from.config_source_specifier_case()) {
    case From::kPath:
      if (from.path().empty()) return Invalid("path", "must not be empty");
      return from.path();
    case From::kPathConfigSource:
      if (from.path_config_source().path().empty()) {
        return Invalid("path_config_source.path", "must not be empty");
      }
      return from.path_config_source().path();
    default:  // what is not supported is refused as a field
      return Invalid("", "one of ads, path, path_config_source must be set");
  }
}

absl::StatusOr<std::string> CompileSecretName(const CompileContext& context,
                                              const SdsSecretConfig& from, TlsSettings* to) {
  if (from.name().empty()) return Invalid("name", "must not be empty");
  if (!from.has_sds_config() && context.options.static_secrets.count(from.name()) == 0) {
    return Invalid("name", Cat("there is no static secret \"", from.name(), "\""));
  }
  if (!from.has_sds_config() || from.sds_config().has_ads()) return from.name();
  TlsSecretFile file{.name = from.name()};
  ASSIGN_OR_RETURN_AT(file.path, "sds_config", CompileSecretPath(from.sds_config()));
  // No name of an identity, or of the control plane's secrets, can look like this.
  std::string name = Cat("file:", file.path, "#", file.name);
  to->secret_files.emplace(name, std::move(file));
  return name;
}

absl::Status CompileVersion(std::string_view field, int from, TlsVersion* to) {
  switch (from) {
    case TlsParameters::TLS_AUTO:
      return absl::OkStatus();
    case TlsParameters::TLSv1_2:
      *to = TlsVersion::k12;
      return absl::OkStatus();
    case TlsParameters::TLSv1_3:
      *to = TlsVersion::k13;
      return absl::OkStatus();
    default:  // open enum of proto3
      return Invalid(field, "only TLSv1_2 and TLSv1_3 are supported");
  }
}

absl::Status CompileParameters(const TlsParameters& from, TlsSettings* to) {
  RETURN_IF_ERROR(CompileVersion("tls_minimum_protocol_version",
                                 from.tls_minimum_protocol_version(), &to->version_min));
  RETURN_IF_ERROR(CompileVersion("tls_maximum_protocol_version",
                                 from.tls_maximum_protocol_version(), &to->version_max));
  if (to->version_min > to->version_max) {
    return Invalid("tls_minimum_protocol_version", "is above the maximum");
  }
  for (int i = 0; i < from.cipher_suites_size(); ++i) {
    const std::string& suite = from.cipher_suites(i);
    if (std::find(std::begin(kSuites12), std::end(kSuites12), suite) == std::end(kSuites12)) {
      return Invalid(Indexed("cipher_suites", i), Cat("\"", suite, "\" is not supported"));
    }
    AppendTo(&to->cipher_suites_12, to->cipher_suites_12.empty() ? "" : ":", suite);
  }
  return absl::OkStatus();
}

// Exact names, and of URIs also "spiffe://<trust domain>/" as a prefix.
absl::Status CompileName(int san_type, const StringMatcher& from, TlsPeerNames* to) {
  const bool uri = san_type == SubjectAltNameMatcher::URI;
  if (!uri && san_type != SubjectAltNameMatcher::DNS) {
    return Invalid("san_type", "only DNS and URI are supported");
  }
  if (from.ignore_case()) return Invalid("matcher.ignore_case", "not supported");
  if (from.match_pattern_case() == StringMatcher::kExact) {
    if (from.exact().empty()) return Invalid("matcher.exact", "must not be empty");
    (uri ? to->uris : to->dns_names).push_back(from.exact());
    return absl::OkStatus();
  }
  std::string_view domain = from.prefix();
  if (uri && domain.starts_with(kSpiffe) && domain.ends_with('/')) {
    domain.remove_prefix(kSpiffe.size());
    domain.remove_suffix(1);
    if (!domain.empty() && domain.find('/') == std::string_view::npos) {
      to->trust_domains.emplace_back(domain);
      return absl::OkStatus();
    }
  }
  return Invalid("matcher", "must be exact, or the prefix \"spiffe://<trust domain>/\" of a URI");
}

absl::Status CompileValidation(const CertificateValidationContext& from, TlsSettings* to) {
  if (from.has_trusted_ca()) {
    ASSIGN_OR_RETURN_AT(to->trusted_ca, "trusted_ca", CompileDataSource(from.trusted_ca()));
  }
  for (int i = 0; i < from.match_typed_subject_alt_names_size(); ++i) {
    const SubjectAltNameMatcher& name = from.match_typed_subject_alt_names(i);
    RETURN_IF_ERROR_AT(Indexed("match_typed_subject_alt_names", i),
                       CompileName(name.san_type(), name.matcher(), &to->peer));
  }
  for (int i = 0; i < from.match_subject_alt_names_size(); ++i) {  // of any type
    const StringMatcher& name = from.match_subject_alt_names(i);
    const bool uri = name.exact().find("://") != std::string::npos || !name.prefix().empty();
    RETURN_IF_ERROR_AT(Indexed("match_subject_alt_names", i),
                       CompileName(uri ? SubjectAltNameMatcher::URI : SubjectAltNameMatcher::DNS,
                                   name, &to->peer));
  }
  return absl::OkStatus();
}

absl::Status CompileTrust(const CompileContext& context, const CommonTlsContext& from,
                          TlsSettings* to) {
  switch (from.validation_context_type_case()) {
    case CommonTlsContext::kValidationContext:
      RETURN_IF_ERROR_AT("validation_context", CompileValidation(from.validation_context(), to));
      break;
    case CommonTlsContext::kValidationContextSdsSecretConfig: {
      ASSIGN_OR_RETURN_AT(
          to->trust_secret, "validation_context_sds_secret_config",
          CompileSecretName(context, from.validation_context_sds_secret_config(), to));
      break;
    }
    case CommonTlsContext::kCombinedValidationContext: {
      const auto& combined = from.combined_validation_context();
      RETURN_IF_ERROR_AT("combined_validation_context.default_validation_context",
                         CompileValidation(combined.default_validation_context(), to));
      ASSIGN_OR_RETURN_AT(
          to->trust_secret, "combined_validation_context.validation_context_sds_secret_config",
          CompileSecretName(context, combined.validation_context_sds_secret_config(), to));
      break;
    }
    default:  // the other sources are refused as fields; or there is none
      break;
  }
  if (to->peer != TlsPeerNames{} && !to->verifies()) {
    return Invalid("validation_context.trusted_ca", "must be set: names alone prove nothing");
  }
  return absl::OkStatus();
}

absl::Status CompileCommon(const CompileContext& context, const CommonTlsContext& from,
                           TlsSettings* to) {
  RETURN_IF_ERROR_AT("tls_params", CompileParameters(from.tls_params(), to));
  for (int i = 0; i < from.tls_certificates_size(); ++i) {
    ASSIGN_OR_RETURN_AT(to->certificates.emplace_back(), Indexed("tls_certificates", i),
                        CompileCertificate(from.tls_certificates(i)));
  }
  for (int i = 0; i < from.tls_certificate_sds_secret_configs_size(); ++i) {
    ASSIGN_OR_RETURN_AT(to->certificate_secrets.emplace_back(),
                        Indexed("tls_certificate_sds_secret_configs", i),
                        CompileSecretName(context, from.tls_certificate_sds_secret_configs(i), to));
  }
  for (int i = 0; i < from.alpn_protocols_size(); ++i) {
    const std::string& protocol = from.alpn_protocols(i);
    if (protocol.empty() || protocol.size() > 255) {
      return Invalid(Indexed("alpn_protocols", i), "must have 1 to 255 bytes");
    }
    to->alpn.push_back(protocol);
  }
  return CompileTrust(context, from, to);
}

absl::Status CompileDownstream(const CompileContext& context, const DownstreamTlsContext& from,
                               TlsSettings* to) {
  to->role = TlsRole::kServer;
  RETURN_IF_ERROR_AT("common_tls_context", CompileCommon(context, from.common_tls_context(), to));
  if (to->certificates.empty() && to->certificate_secrets.empty()) {
    return Invalid("common_tls_context.tls_certificates", "a server needs a certificate");
  }
  to->require_peer_certificate = from.require_client_certificate().value();
  if (to->require_peer_certificate && !to->verifies()) {
    return Invalid("common_tls_context.validation_context.trusted_ca",
                   "must be set where require_client_certificate is");
  }
  if (from.require_sni().value()) return Invalid("require_sni", "not supported");
  to->resume = !from.disable_stateful_session_resumption();
  if (from.has_session_timeout()) {
    ASSIGN_OR_RETURN_AT(to->session_lifetime, "session_timeout",
                        CompileDuration(from.session_timeout()));
  }
  return absl::OkStatus();
}

absl::Status CompileUpstream(const CompileContext& context, const UpstreamTlsContext& from,
                             TlsSettings* to) {
  to->role = TlsRole::kClient;
  RETURN_IF_ERROR_AT("common_tls_context", CompileCommon(context, from.common_tls_context(), to));
  if (to->certificates.size() + to->certificate_secrets.size() > 1) {
    return Invalid("common_tls_context.tls_certificates", "a client has one certificate at most");
  }
  if (from.sni().size() > 255) return Invalid("sni", "must be at most 255 bytes");
  to->sni = from.sni();
  to->resume = !from.has_max_session_keys() || from.max_session_keys().value() > 0;
  return absl::OkStatus();
}

// Maps have no order in a plain serialization.
std::string Content(const google::protobuf::Message& message) {
  std::string text;
  {
    google::protobuf::io::StringOutputStream stream(&text);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&out);
  }
  return text;
}

template <typename Message>
absl::StatusOr<uint32_t> CompileTls(CompileContext* context, const TransportSocket& from,
                                    PeerPem pem,
                                    absl::Status (*compile)(const CompileContext&, const Message&,
                                                            TlsSettings*)) {
  Message message;
  RETURN_IF_ERROR_AT("typed_config", Unpack(context->fields, from.typed_config(), &message));
  TlsSettings to;
  RETURN_IF_ERROR_AT("typed_config", compile(*context, message, &to));
  if (context->options.check_tls) {
    RETURN_IF_ERROR_AT("typed_config", context->options.check_tls(to));
  }
  to.keep_peer_pem = pem == PeerPem::kKeep;
  to.stable_id = context->ids->Tls(
      Cat(Message::descriptor()->name(), to.keep_peer_pem ? "+pem" : "", Content(message)));
  const uint32_t id = to.stable_id;
  auto& all = context->snapshot->tls;
  const auto at = std::lower_bound(
      all.begin(), all.end(), id, [](const TlsSettings& t, uint32_t i) { return t.stable_id < i; });
  if (at == all.end() || at->stable_id != id) all.insert(at, std::move(to));
  return id;
}

}  // namespace

absl::StatusOr<TlsSecret> CompileTlsSecret(const FieldTable& fields, const Secret& from) {
  RETURN_IF_ERROR(fields.Check(from));
  if (from.name().empty()) return Invalid("name", "must not be empty");
  TlsSecret to;
  switch (from.type_case()) {
    case Secret::kTlsCertificate: {
      ASSIGN_OR_RETURN_AT(to.certificate, "tls_certificate",
                          CompileCertificate(from.tls_certificate()));
      return to;
    }
    case Secret::kValidationContext: {
      const auto& validation = from.validation_context();
      if (!validation.has_trusted_ca()) {
        return Invalid("validation_context.trusted_ca", "must be set");
      }
      if (validation.match_typed_subject_alt_names_size() > 0 ||
          validation.match_subject_alt_names_size() > 0) {
        return Invalid("validation_context.match_typed_subject_alt_names",
                       "names come with the transport socket, not with the secret");
      }
      ASSIGN_OR_RETURN_AT(to.trusted_ca, "validation_context.trusted_ca",
                          CompileDataSource(validation.trusted_ca()));
      return to;
    }
    case Secret::kSessionTicketKeys:  // refused as fields
    case Secret::kGenericSecret:
    case Secret::TYPE_NOT_SET:
      break;
  }
  return Invalid("", "one of tls_certificate, validation_context must be set");
}

absl::StatusOr<uint32_t> CompileServerTls(CompileContext* context, const TransportSocket& from,
                                          PeerPem pem) {
  if (TypeName(from.typed_config()) != DownstreamTlsContext::descriptor()->full_name()) {
    RETURN_IF_ERROR(CheckRawBuffer(from));
    return kNoTls;
  }
  return CompileTls<DownstreamTlsContext>(context, from, pem, &CompileDownstream);
}

absl::StatusOr<uint32_t> CompileClientTls(CompileContext* context, const TransportSocket& from) {
  if (TypeName(from.typed_config()) != UpstreamTlsContext::descriptor()->full_name()) {
    RETURN_IF_ERROR(CheckRawBuffer(from));
    return kNoTls;
  }
  return CompileTls<UpstreamTlsContext>(context, from, PeerPem::kForget, &CompileUpstream);
}

}  // namespace meltemi::config
