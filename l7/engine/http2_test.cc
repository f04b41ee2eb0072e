// HTTP/2 through the engine's door, nghttp2 on the other ends: all four ways of bridging.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "l7/engine/http2_fixture.h"
#include "l7/http2/hpack.h"

namespace meltemi::engine {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

TEST_F(Http2Test, AGetGoesToAnHttp1Server) {
  End client = Client();
  const int32_t id = client.peer->Request(kGet);
  Talk(client);
  const ConnId up = Connect();
  const std::string request = Take(up);
  EXPECT_THAT(request, StartsWith("GET /x HTTP/1.1\r\nhost: backend\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nx-request-id: "));
  Send(up, Ok("hello", "x-a: b\r\nconnection: x-drop\r\nx-drop: 1\r\n"));
  Talk(client);
  const Peer::Stream& stream = client.peer->stream(id);
  EXPECT_EQ(StatusIn(stream.headers), "200");
  EXPECT_THAT(stream.headers, Contains(Pair("x-a", "b")));
  EXPECT_THAT(stream.headers, Contains(Pair("content-length", "5")));
  EXPECT_THAT(stream.headers, Not(Contains(Pair("x-drop", "1"))));
  EXPECT_EQ(stream.body, "hello");
  EXPECT_TRUE(stream.ended);
  EXPECT_EQ(LastRecord(), "200 - via_upstream");
  EXPECT_EQ(engine().records().back().protocol, telemetry::Protocol::kHttp2);
  EXPECT_FALSE(At(client.id).dead());
}

TEST_F(Http2Test, BodiesAndTrailersGoBothWaysToAnHttp1Server) {
  End client = Client();
  const int32_t id = client.peer->Request(kPost, "some body", {{"x-sum", "1"}});
  Talk(client);
  const ConnId up = Connect();
  EXPECT_THAT(Take(up), HasSubstr("\r\ntransfer-encoding: chunked\r\n\r\n9\r\nsome body\r\n0\r\n"
                                  "x-sum: 1\r\n\r\n"));
  Send(up,
       "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-End: yes\r\n\r\n");
  Talk(client);
  EXPECT_EQ(client.peer->stream(id).body, "abc");
  EXPECT_THAT(client.peer->stream(id).trailers, ElementsAre(Pair("x-end", "yes")));
  EXPECT_TRUE(client.peer->stream(id).ended);
}

TEST_F(Http2Test, AnHttp1ClientIsServedByAnHttp2Server) {
  UseHttp2Upstream();
  const ConnId down = Accept();
  Send(down,
       "POST /p HTTP/1.1\r\nHost: backend\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n"
       "4\r\nwxyz\r\n0\r\nX-T: 1\r\n\r\n");
  End server = Server();
  Peer::Stream& stream = server.peer->stream(1);
  EXPECT_EQ(StatusIn(stream.headers), "POST");
  EXPECT_THAT(stream.headers, Contains(Pair(":authority", "backend")));
  EXPECT_THAT(stream.headers, Contains(Pair(":path", "/p")));
  EXPECT_THAT(stream.headers, Contains(Pair("te", "trailers")));
  EXPECT_THAT(stream.headers, Not(Contains(Pair("transfer-encoding", "chunked"))));
  EXPECT_EQ(stream.body, "wxyz");
  EXPECT_THAT(stream.trailers, ElementsAre(Pair("x-t", "1")));
  server.peer->Respond(1, {{":status", "201"}, {"x", "y"}}, "made", {{"x-end", "z"}});
  Talk(server);
  const std::string response = Take(down);
  EXPECT_THAT(response, StartsWith("HTTP/1.1 201"));
  EXPECT_THAT(response, HasSubstr("\r\n4\r\nmade\r\n0\r\nx-end: z\r\n\r\n"));
  EXPECT_EQ(LastRecord(), "201 - via_upstream");
  // And again, on the same two connections.
  Send(down, Get("/2"));
  Talk(server);
  server.peer->Respond(3, {{":status", "204"}});
  Talk(server);
  EXPECT_EQ(StatusOf(Take(down)), 204);
}

TEST_F(Http2Test, GrpcCallsShareOneUpstreamConnection) {
  UseHttp2Upstream();
  End client = Client();
  for (int i = 0; i < 10; ++i) client.peer->Request(kGrpc, "message" + std::to_string(i));
  Talk(client);
  End server = Server();
  EXPECT_TRUE(connecting_.empty());
  for (int i = 0; i < 10; ++i) {
    const int32_t id = 2 * i + 1;
    EXPECT_EQ(server.peer->stream(id).body, "message" + std::to_string(i));
    EXPECT_TRUE(server.peer->stream(id).ended);
    EXPECT_THAT(server.peer->stream(id).headers, Contains(Pair("te", "trailers")));
    server.peer->Respond(id, {{":status", "200"}, {"content-type", "application/grpc"}},
                         "reply" + std::to_string(i), {{"grpc-status", "0"}});
  }
  Talk(server);
  Talk(client);
  for (int i = 0; i < 10; ++i) {
    const Peer::Stream& stream = client.peer->stream(2 * i + 1);
    EXPECT_EQ(stream.body, "reply" + std::to_string(i));
    EXPECT_THAT(stream.trailers, ElementsAre(Pair("grpc-status", "0")));
  }
  EXPECT_EQ(engine().counters().upstream_opened, 1u);
  EXPECT_EQ(engine().exchange_count(), 0u);
}

TEST_F(Http2Test, ATrailersOnlyResponseStaysOne) {
  UseHttp2Upstream();
  End client = Client();
  client.peer->Request(kGrpc, "m");
  Talk(client);
  End server = Server();
  server.peer->Respond(1, {{":status", "200"}, {"grpc-status", "5"}});
  Talk(server);
  Talk(client);
  EXPECT_THAT(client.peer->stream(1).headers, Contains(Pair("grpc-status", "5")));
  EXPECT_TRUE(client.peer->stream(1).trailers.empty());
  EXPECT_TRUE(client.peer->stream(1).ended);
}

TEST_F(Http2Test, ABidirectionalStreamFlowsMessageByMessage) {
  UseHttp2Upstream();
  End client = Client();
  // The request stays open: a data provider that waits.
  nghttp2_data_provider waits;
  waits.source.ptr = nullptr;
  waits.read_callback = [](nghttp2_session*, int32_t, uint8_t*, size_t, uint32_t*,
                           nghttp2_data_source*, void*) -> ssize_t { return NGHTTP2_ERR_DEFERRED; };
  std::vector<nghttp2_nv> fields;
  for (const auto& [name, value] : kGrpc) {
    fields.push_back(http2::Field(name, value, http::Known::kOther));
  }
  ASSERT_EQ(nghttp2_submit_request(client.peer->session(), nullptr, fields.data(), fields.size(),
                                   &waits, nullptr),
            1);
  Talk(client);
  End server = Server();
  EXPECT_FALSE(server.peer->stream(1).ended);
  server.peer->Respond(1, {{":status", "200"}}, "first", {{"grpc-status", "0"}});
  Talk(server);
  Talk(client);
  EXPECT_EQ(client.peer->stream(1).body, "first");
  EXPECT_TRUE(client.peer->stream(1).ended);
  // The response is over, the request is not: the client is told to stop, the server too.
  EXPECT_TRUE(client.peer->stream(1).reset);
  EXPECT_EQ(client.peer->stream(1).reset_code, uint32_t{NGHTTP2_NO_ERROR});
  EXPECT_EQ(engine().exchange_count(), 0u);
}

}  // namespace
}  // namespace meltemi::engine
