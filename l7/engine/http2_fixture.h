// EngineTest with nghttp2's own sessions on the other ends.
#ifndef MELTEMI_L7_ENGINE_HTTP2_FIXTURE_H_
#define MELTEMI_L7_ENGINE_HTTP2_FIXTURE_H_

#include <memory>
#include <string>
#include <vector>

#include "l7/engine/engine_fixture.h"
#include "l7/http2/testing/peer.h"

namespace meltemi::engine {

using http2::Headers;
using http2::Peer;

inline const Headers kGet = {
    {":method", "GET"}, {":scheme", "http"}, {":authority", "backend"}, {":path", "/x"}};
inline const Headers kPost = {
    {":method", "POST"}, {":scheme", "http"}, {":authority", "backend"}, {":path", "/up"}};
inline const Headers kGrpc = {{":method", "POST"},
                              {":scheme", "http"},
                              {":authority", "backend"},
                              {":path", "/pkg.Service/Method"},
                              {"content-type", "application/grpc"},
                              {"te", "trailers"}};

class Http2Test : public EngineTest {
 protected:
  struct End {
    ConnId id;
    std::unique_ptr<Peer> peer;
  };
  End Client(std::vector<nghttp2_settings_entry> settings = {}) {
    End end{.id = Accept(), .peer = std::make_unique<Peer>(Peer::Side::kClient, settings)};
    Talk(end);
    return end;
  }
  // The oldest connection asked for, answered by an HTTP/2 server.
  End Server(std::vector<nghttp2_settings_entry> settings = {}) {
    End end{.id = Connect(), .peer = std::make_unique<Peer>(Peer::Side::kServer, settings)};
    Talk(end);
    return end;
  }
  // Until neither has anything to say.
  void Talk(End& end) {
    for (int i = 0; i < 1000; ++i) {
      const std::string theirs = end.peer->Output();
      if (!theirs.empty() && !At(end.id).dead()) Send(end.id, theirs);
      const std::string ours = Take(end.id);
      if (!ours.empty()) {
        ASSERT_TRUE(end.peer->Input(ours));
      }
      if (theirs.empty() && ours.empty()) return;
    }
    FAIL() << "the two never stop talking";
  }
  void UseHttp2Upstream() { cluster().http2.emplace(); }
  static std::string StatusIn(const Headers& headers) {
    return headers.empty() ? "(none)" : headers[0].second;
  }
};

}  // namespace meltemi::engine

#endif  // MELTEMI_L7_ENGINE_HTTP2_FIXTURE_H_
