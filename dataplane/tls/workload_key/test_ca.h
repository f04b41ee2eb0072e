// A CA of a few lines for tests of the node: answers signing requests with chains, right or wrong.
// It is no authority of any kind; the real one is meltemi-ca.
#ifndef MELTEMI_DATAPLANE_TLS_WORKLOAD_KEY_TEST_CA_H_
#define MELTEMI_DATAPLANE_TLS_WORKLOAD_KEY_TEST_CA_H_

#include <string>
#include <vector>

#include "l7/base/time.h"

struct evp_pkey_st;
struct x509_st;

namespace meltemi::tls {

class TestCa {
 public:
  TestCa();
  ~TestCa();
  TestCa(const TestCa&) = delete;
  TestCa& operator=(const TestCa&) = delete;

  struct Leaf {
    std::vector<std::string> uris;
    UnixTime not_before;
    UnixTime not_after;
    std::string dns = "";  // one more name
  };
  // The leaf for the key of a signing request (PEM), and the root.
  std::vector<std::string> Answer(const std::string& csr, const Leaf& leaf);
  const std::string& root_pem() const { return root_pem_; }

 private:
  evp_pkey_st* key_;
  x509_st* root_;
  std::string root_pem_;
  long serial_ = 1;
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_WORKLOAD_KEY_TEST_CA_H_
