#include "dataplane/tls/client_hello.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "dataplane/tls/testing/openssl_peer.h"
#include "l7/base/heap_buffer_pool.h"
#include "l7/base/limits.h"

namespace meltemi::tls {
namespace {

Peek PeekAt(std::string_view bytes, ClientHello* hello, uint32_t slice = 16'384) {
  HeapBufferPool pool(70'000);
  Chain chain;
  while (!bytes.empty()) {
    const size_t n = std::min<size_t>(slice, bytes.size());
    CHECK(AppendCopy(&pool, bytes.substr(0, n), &chain));
    bytes.remove_prefix(n);
  }
  return PeekClientHello(chain, hello);
}

// As OpenSSL's client says it.
std::string Hello(int version, const char* sni, const std::string& alpn) {
  OpenSslPeer peer({.version = version, .alpn = alpn});
  peer.ssl.reset(SSL_new(peer.ctx.get()));
  SSL_set_app_data(peer.ssl.get(), &peer);
  SSL_set_bio(peer.ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  if (sni != nullptr) SSL_set_tlsext_host_name(peer.ssl.get(), sni);
  SSL_set_connect_state(peer.ssl.get());
  peer.Receive({});
  return peer.Take();
}

TEST(PeekClientHello, ReadsNameAndProtocols) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    ClientHello hello;
    EXPECT_EQ(PeekAt(Hello(version, "A.Example.com", "istio"), &hello), Peek::kClientHello);
    EXPECT_EQ(hello.sni, "a.example.com");
    EXPECT_EQ(hello.alpn, std::vector<std::string>{"istio"});
    EXPECT_EQ(PeekAt(Hello(version, nullptr, ""), &hello), Peek::kClientHello);
    EXPECT_EQ(hello.sni, "");
    EXPECT_TRUE(hello.alpn.empty());
  }
}

TEST(PeekClientHello, WaitsAtEveryCut) {
  const std::string bytes = Hello(TLS1_3_VERSION, "a.example.com", "h2");
  for (size_t n = 0; n < bytes.size(); ++n) {
    ClientHello hello;
    ASSERT_EQ(PeekAt(bytes.substr(0, n), &hello, 11), Peek::kNeedMore) << n;
  }
  ClientHello hello;
  EXPECT_EQ(PeekAt(bytes + "more", &hello, 1), Peek::kClientHello);
  EXPECT_EQ(hello.sni, "a.example.com");
}

TEST(PeekClientHello, PutsRecordsTogether) {
  // Goal: a ClientHello cut into records of 1, 10 and 100 bytes (RFC 8446 5.1 allows it).
  const std::string body = Hello(TLS1_3_VERSION, "a.example.com", "h2").substr(5);
  for (const size_t piece : {1u, 10u, 100u}) {
    std::string bytes;
    for (size_t i = 0; i < body.size(); i += piece) {
      const std::string part = body.substr(i, piece);
      bytes += std::string({22, 3, 1, 0, static_cast<char>(part.size())}) + part;
    }
    ClientHello hello;
    EXPECT_EQ(PeekAt(bytes, &hello), Peek::kClientHello);
    EXPECT_EQ(hello.sni, "a.example.com");
  }
}

TEST(PeekClientHello, TellsOtherProtocolsAtTheirFirstBytes) {
  const char* const others[] = {"G", "GET / HTTP/1.1\r\n", "PRI * HTTP/2.0", "SSH-2.0-x",
                                "\x05\x01"};
  for (const char* other : others) {
    ClientHello hello;
    EXPECT_EQ(PeekAt(other, &hello), Peek::kNotTls) << other;
  }
  ClientHello hello;
  EXPECT_EQ(PeekAt("", &hello), Peek::kNeedMore);
  EXPECT_EQ(PeekAt("\x16", &hello), Peek::kNeedMore);
  EXPECT_EQ(PeekAt("\x16\x02", &hello), Peek::kNotTls);
  EXPECT_EQ(PeekAt(std::string("\x16\x03\x01\x00\x05\x02", 6), &hello), Peek::kNotTls);
}

TEST(PeekClientHello, RefusesWhatIsMalformed) {
  // Goal: every length field of a real one made wrong never crashes, and says malformed or asks
  // for more; a hello over the limit is refused.
  const std::string good = Hello(TLS1_3_VERSION, "a.example.com", "h2");
  int malformed = 0;
  for (size_t i = 5; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] + 77);
    ClientHello hello;
    const Peek peek = PeekAt(bad, &hello);
    malformed += peek == Peek::kMalformed;
    EXPECT_TRUE(peek == Peek::kClientHello || hello.sni.empty());
  }
  EXPECT_GT(malformed, 5);
  ClientHello hello;
  EXPECT_EQ(PeekAt(std::string("\x16\x03\x01\x40\x01\x01", 6), &hello), Peek::kMalformed);
  EXPECT_EQ(PeekAt(std::string("\x16\x03\x01\x00\x00\x01", 6), &hello), Peek::kMalformed);
  std::string endless;
  while (endless.size() < limits::kTlsClientHelloBytesMax) {
    endless += std::string("\x16\x03\x01\x00\x04\x01\x00\xff\xff", 9);
  }
  EXPECT_EQ(PeekAt(endless, &hello), Peek::kMalformed);
}

}  // namespace
}  // namespace meltemi::tls
