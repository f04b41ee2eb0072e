#include "control/common/grpc_tls.h"

#include <grpc/grpc_security.h>
#include <grpc/grpc_security_constants.h>

#include <utility>

#include "absl/synchronization/mutex.h"

namespace meltemi::control::common {
namespace {

// Called by gRPC for each new connection, on its threads.
grpc_ssl_certificate_config_reload_status FetchConfig(void* credentials,
                                                      grpc_ssl_server_certificate_config** config);

// The listener's certificate, and the version gRPC was last given.
class ReloadingCredentials final : public grpc::ServerCredentials {
 public:
  explicit ReloadingCredentials(ListenerPemSource source) : source_(std::move(source)) {
    grpc_ssl_server_credentials_options* options =
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY, &FetchConfig, this);
    credentials_ = grpc_ssl_server_credentials_create_with_options(options);
  }
  ~ReloadingCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

  grpc_ssl_certificate_config_reload_status Fetch(grpc_ssl_server_certificate_config** config) {
    const absl::StatusOr<ListenerPem> pem = source_();
    const absl::MutexLock lock(&mutex_);
    if (!pem.ok()) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
    if (pem->version == given_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    grpc_ssl_pem_key_cert_pair pair{pem->key.c_str(), pem->chain.c_str()};
    *config = grpc_ssl_server_certificate_config_create(pem->trusted.c_str(), &pair, 1);
    given_ = pem->version;
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  const ListenerPemSource source_;
  grpc_server_credentials* credentials_;
  absl::Mutex mutex_;
  uint64_t given_ ABSL_GUARDED_BY(mutex_) = 0;
};

grpc_ssl_certificate_config_reload_status FetchConfig(void* credentials,
                                                      grpc_ssl_server_certificate_config** config) {
  return static_cast<ReloadingCredentials*>(credentials)->Fetch(config);
}

std::string Property(const grpc::AuthContext& auth, const char* name) {
  const auto values = auth.FindPropertyValues(name);
  return values.empty() ? "" : std::string(values[0].data(), values[0].size());
}

}  // namespace

std::shared_ptr<grpc::ServerCredentials> ReloadingServerCredentials(ListenerPemSource source) {
  return std::make_shared<ReloadingCredentials>(std::move(source));
}

bool CameByTls(const grpc::AuthContext& auth) {
  return Property(auth, GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME) ==
         GRPC_SSL_TRANSPORT_SECURITY_TYPE;
}

std::string PeerChainPem(const grpc::AuthContext& auth) {
  // OpenSSL does not count the leaf to the chain on the side of a server.
  const std::string leaf = Property(auth, GRPC_X509_PEM_CERT_PROPERTY_NAME);
  const std::string chain = Property(auth, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME);
  return chain.starts_with(leaf) ? chain : leaf + chain;
}

}  // namespace meltemi::control::common
