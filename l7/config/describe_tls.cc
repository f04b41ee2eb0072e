#include "l7/config/describe_writer.h"

namespace meltemi::config {
namespace {

// Never the text: it may be a key.
std::string ToText(const DataSource& source) {
  if (!source.filename.empty()) return Cat("file ", source.filename);
  return source.text.empty() ? "nothing" : Cat(source.text.size(), " bytes inline");
}

void DescribeList(std::string_view name, const std::vector<std::string>& values,
                  DescribeWriter* to) {
  for (const std::string& value : values) to->Line(name, " ", value);
}

}  // namespace

void DescribeTls(const TlsSettings& s, DescribeWriter* to) {
  const auto name = [](TlsVersion v) { return v == TlsVersion::k12 ? "1.2" : "1.3"; };
  to->Line("tls ", s.stable_id, s.role == TlsRole::kServer ? " server " : " client ",
           name(s.version_min), " to ", name(s.version_max));
  to->In();
  if (!s.cipher_suites_12.empty()) to->Line("cipher_suites ", s.cipher_suites_12);
  DescribeList("alpn", s.alpn, to);
  for (const TlsCertificateSource& c : s.certificates) {
    to->Line("certificate ", ToText(c.chain), ", key ", ToText(c.key));
  }
  DescribeList("certificate_secret", s.certificate_secrets, to);
  if (!s.trusted_ca.empty()) to->Line("trusted_ca ", ToText(s.trusted_ca));
  if (!s.trust_secret.empty()) to->Line("trust_secret ", s.trust_secret);
  if (!s.verifies()) to->Line("verifies nothing");
  if (s.require_peer_certificate) to->Line("requires a certificate");
  if (s.keep_peer_pem) to->Line("keeps the peer's certificate");
  DescribeList("peer uri", s.peer.uris, to);
  DescribeList("peer trust_domain", s.peer.trust_domains, to);
  DescribeList("peer dns_name", s.peer.dns_names, to);
  if (!s.sni.empty()) to->Line("sni ", s.sni);
  if (!s.resume) to->Line("no resumption");
  if (!s.session_lifetime.zero()) {
    to->Line("session_lifetime ", DescribeWriter::ToText(s.session_lifetime));
  }
  to->Out();
}

}  // namespace meltemi::config
