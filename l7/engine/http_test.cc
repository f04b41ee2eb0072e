// Proxying of HTTP/1: keep-alive, pipelining, bodies both ways, backpressure. Each test drives the
// door by hand and compares what went out.
#include "l7/engine/engine_fixture.h"

namespace meltemi::engine {
namespace {

using HttpTest = EngineTest;

TEST_F(HttpTest, ForwardsRequestAndResponse) {
  const ConnId down = Accept();
  Send(down, Get("/a?b=c", "user-agent: t\r\n"));
  const ConnId up = Connect();
  EXPECT_EQ(At(up).address, Address(10, 8080));
  const std::string request = Take(up);
  EXPECT_EQ(request.substr(0, request.find("\r\n")), "GET /a?b=c HTTP/1.1");
  EXPECT_EQ(HeaderOf(request, "host"), "backend");
  EXPECT_EQ(HeaderOf(request, "user-agent"), "t");
  EXPECT_EQ(HeaderOf(request, "x-forwarded-proto"), "http");
  EXPECT_EQ(HeaderOf(request, "x-request-id").size(), 36u);
  EXPECT_EQ(HeaderOf(request, "x-envoy-expected-rq-timeout-ms"), "15000");
  EXPECT_EQ(HeaderOf(request, "x-forwarded-for"), "(none)");
  Advance(Duration::Millis(20));
  Send(up, Ok("hello", "x-a: b\r\nconnection: keep-alive\r\n"));
  const std::string response = Take(down);
  EXPECT_EQ(StatusOf(response), 200);
  EXPECT_EQ(BodyOf(response), "hello");
  EXPECT_EQ(HeaderOf(response, "x-a"), "b");
  EXPECT_EQ(HeaderOf(response, "content-length"), "5");
  EXPECT_EQ(HeaderOf(response, "server"), "envoy");
  EXPECT_EQ(HeaderOf(response, "date"), "Tue, 24 Nov 2026 00:00:01 GMT");
  EXPECT_EQ(HeaderOf(response, "x-envoy-upstream-service-time"), "20");
  EXPECT_EQ(HeaderOf(response, "connection"), "(none)");
  EXPECT_EQ(LastRecord(), "200 - via_upstream");
  EXPECT_FALSE(At(down).dead());
  EXPECT_FALSE(At(up).dead());
}

TEST_F(HttpTest, DatesFollowTheTimeOfDayWhenItIsSet) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, Ok("1"));
  EXPECT_EQ(HeaderOf(Take(down), "date"), "Tue, 24 Nov 2026 00:00:01 GMT");
  engine().SetWallClock({.offset_nanos = 1'795'478'400'000'000'000 - 3'600'000'000'000});
  Send(down, Get());
  Send(up, Ok("2"));
  EXPECT_EQ(HeaderOf(Take(down), "date"), "Mon, 23 Nov 2026 23:00:01 GMT");
}

TEST_F(HttpTest, ReusesTheUpstreamConnection) {
  const ConnId down = Accept();
  RoundTrip(down, Get(), Ok("1"));
  Send(down, Get("/2"));
  ASSERT_TRUE(connecting_.empty());
  EXPECT_EQ(engine().conn_count(), 2u);
}

TEST_F(HttpTest, PoolIsLastInFirstOut) {
  const ConnId a = Accept(), b = Accept();
  Send(a, Get());
  Send(b, Get());
  const ConnId up1 = Connect(), up2 = Connect();
  Send(up1, Ok("1"));
  Send(up2, Ok("2"));
  Take(up1);
  Take(up2);
  Send(a, Get("/3"));
  EXPECT_EQ(Take(up1), "");
  EXPECT_NE(Take(up2), "");
}

TEST_F(HttpTest, AnswersPipelinedRequestsInOrder) {
  const ConnId down = Accept();
  Send(down, Get("/1") + Get("/2") + Get("/3"));
  const ConnId up = Connect();
  for (const char* path : {"/1", "/2", "/3"}) {
    const std::string request = Take(up);
    EXPECT_EQ(request.substr(4, 2), path);
    EXPECT_EQ(Take(down), "");
    Send(up, Ok(path));
    EXPECT_EQ(BodyOf(Take(down)), path);
  }
}

TEST_F(HttpTest, TakesRequestsByteByByte) {
  const ConnId down = Accept();
  for (const char c : Get("/slow")) Send(down, std::string(1, c));
  const ConnId up = Connect();
  EXPECT_EQ(Take(up).substr(0, 9), "GET /slow");
  for (const char c : Ok("abc")) Send(up, std::string(1, c));
  EXPECT_EQ(BodyOf(Take(down)), "abc");
}

TEST_F(HttpTest, StreamsRequestBodyWithLength) {
  const ConnId down = Accept();
  const std::string head = "POST / HTTP/1.1\r\nhost: b\r\ncontent-length: 6\r\n\r\n";
  Send(down, head + "ab");
  const ConnId up = Connect();
  EXPECT_EQ(BodyOf(Take(up)), "ab");
  Send(down, "cd");
  EXPECT_EQ(Take(up), "cd");
  Send(down, "ef");
  EXPECT_EQ(Take(up), "ef");
  EXPECT_EQ(At(down).consumed, head.size() + 6);
  Send(up, Ok("done"));
  EXPECT_EQ(BodyOf(Take(down)), "done");
  EXPECT_EQ(engine().records().back().bytes_received, 6u);
  EXPECT_EQ(engine().records().back().bytes_sent, 4u);
}

TEST_F(HttpTest, StreamsChunkedBothWays) {
  const ConnId down = Accept();
  Send(down, "POST / HTTP/1.1\r\nhost: b\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
  const ConnId up = Connect();
  const std::string request = Take(up);
  EXPECT_EQ(HeaderOf(request, "transfer-encoding"), "chunked");
  EXPECT_EQ(BodyOf(request), "3\r\nabc\r\n");
  Send(down, "0\r\nx-t: 1\r\n\r\n");
  EXPECT_EQ(Take(up), "0\r\nx-t: 1\r\n\r\n");
  Send(up, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n");
  const std::string response = Take(down);
  EXPECT_EQ(HeaderOf(response, "transfer-encoding"), "chunked");
  EXPECT_EQ(BodyOf(response), "2\r\nhi\r\n");
  Send(up, "0\r\n\r\n");
  EXPECT_EQ(Take(down), "0\r\n\r\n");
  EXPECT_FALSE(At(up).dead());
}

TEST_F(HttpTest, BodyUntilCloseBecomesChunked) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, "HTTP/1.1 200 OK\r\n\r\nabc");
  const std::string response = Take(down);
  EXPECT_EQ(HeaderOf(response, "transfer-encoding"), "chunked");
  EXPECT_EQ(BodyOf(response), "3\r\nabc\r\n");
  Eof(up);
  EXPECT_EQ(Take(down), "0\r\n\r\n");
  EXPECT_TRUE(At(up).released);
  EXPECT_FALSE(At(down).dead());
}

// RFC 9112 8: what ends by the connection's end is whole only when that was an end in order. A FIN
// without close_notify may be anybody's; after a reset nobody knows what else there was.
TEST_F(HttpTest, BodyUntilCloseThatIsCutIsNotWhole) {
  for (const bool reset : {false, true}) {
    const ConnId down = Accept();
    Send(down, Get());
    const ConnId up = Connect();
    Send(up, "HTTP/1.1 200 OK\r\n\r\nabc");
    EXPECT_EQ(BodyOf(Take(down)), "3\r\nabc\r\n");
    if (reset) {
      Closed(up, CloseReason::kPeerReset);
    } else {
      Eof(up, Ending::kCut);
    }
    EXPECT_EQ(Take(down), "");  // no last chunk
    EXPECT_TRUE(At(down).dead());
    EXPECT_EQ(LastRecord(), "200 UC upstream_reset_after_response_started{connection_termination}");
  }
}

TEST_F(HttpTest, BodyUntilCloseToAnOldClientIsCutByAReset) {
  const ConnId down = Accept();
  Send(down, "GET / HTTP/1.0\r\nhost: backend\r\n\r\n");
  const ConnId up = Connect();
  Send(up, "HTTP/1.1 200 OK\r\n\r\nabc");
  EXPECT_EQ(BodyOf(Take(down)), "abc");
  Eof(up, Ending::kCut);
  EXPECT_TRUE(At(down).aborted);
}

// It waits for its client; what became of its server meanwhile changes nothing.
TEST_F(HttpTest, BodyUntilCloseThatEndedInOrderIsWholeWhateverComesAfter) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, "HTTP/1.1 200 OK\r\n\r\nabc");
  Take(down);
  SendQueue(down, false);
  Send(up, "def");
  Eof(up);
  Closed(up, CloseReason::kPeerReset);
  SendQueue(down, true);
  EXPECT_EQ(Take(down), "3\r\ndef\r\n0\r\n\r\n");
  EXPECT_FALSE(At(down).dead());
}

TEST_F(HttpTest, BodyOfKnownLengthIsWholeBeforeTheCut) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, Ok("abc"));
  Eof(up, Ending::kCut);
  EXPECT_EQ(BodyOf(Take(down)), "abc");
  EXPECT_FALSE(At(down).dead());
}

TEST_F(HttpTest, HeadHasLengthAndNoBody) {
  const ConnId down = Accept();
  Send(down, "HEAD / HTTP/1.1\r\nhost: b\r\n\r\n");
  const ConnId up = Connect();
  Send(up, "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n");
  const std::string response = Take(down);
  EXPECT_EQ(HeaderOf(response, "content-length"), "500");
  EXPECT_EQ(BodyOf(response), "");
  EXPECT_FALSE(At(down).dead());
  EXPECT_FALSE(At(up).dead());
}

TEST_F(HttpTest, NoContentStaysWithoutLength) {
  const ConnId down = Accept();
  const std::string response = RoundTrip(down, Get(), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(StatusOf(response), 204);
  EXPECT_EQ(HeaderOf(response, "content-length"), "(none)");
}

TEST_F(HttpTest, AnswersExpectContinueItself) {
  const ConnId down = Accept();
  Send(down, "POST / HTTP/1.1\r\nhost: b\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n");
  const ConnId up = Connect();
  EXPECT_EQ(Take(down), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(HeaderOf(Take(up), "expect"), "(none)");
  Send(down, "ab");
  EXPECT_EQ(Take(up), "ab");
  Send(up, Ok("x"));
  EXPECT_EQ(StatusOf(Take(down)), 200);
}

TEST_F(HttpTest, InterimResponsesAreDropped) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + Ok("y"));
  EXPECT_EQ(StatusOf(Take(down)), 200);
}

TEST_F(HttpTest, HopByHopHeadersStayOnTheirHop) {
  const ConnId down = Accept();
  Send(down, Get("/",
                 "connection: keep-alive, x-secret\r\nx-secret: 1\r\nte: trailers\r\n"
                 "keep-alive: 5\r\n"));
  const ConnId up = Connect();
  const std::string request = Take(up);
  for (const char* name : {"connection", "x-secret", "te", "keep-alive"}) {
    EXPECT_EQ(HeaderOf(request, name), "(none)") << name;
  }
}

TEST_F(HttpTest, ClosesWhenTheClientAsksFor) {
  const ConnId down = Accept();
  const std::string response = RoundTrip(down, Get("/", "connection: close\r\n"), Ok("1"));
  EXPECT_EQ(HeaderOf(response, "connection"), "close");
  EXPECT_TRUE(At(down).released);
}

TEST_F(HttpTest, Http10ClientsAreServedAndClosed) {
  const ConnId down = Accept();
  Send(down, "GET / HTTP/1.0\r\nhost: b\r\n\r\n");
  const ConnId up = Connect();
  EXPECT_NE(Take(up).find(" HTTP/1.1\r\n"), std::string::npos);
  Send(up, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
  const std::string response = Take(down);
  EXPECT_EQ(HeaderOf(response, "transfer-encoding"), "(none)");
  EXPECT_EQ(BodyOf(response), "hi");
  EXPECT_TRUE(At(down).released);
}

TEST_F(HttpTest, Http10KeepAliveIsHonoured) {
  const ConnId down = Accept();
  Send(down, "GET / HTTP/1.0\r\nhost: b\r\nconnection: keep-alive\r\n\r\n");
  const ConnId up = Connect();
  Send(up, Ok("x"));
  EXPECT_EQ(HeaderOf(Take(down), "connection"), "keep-alive");
  EXPECT_FALSE(At(down).dead());
}

TEST_F(HttpTest, UpstreamCloseHeaderEndsItsConnection) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, Ok("1", "connection: close\r\n"));
  EXPECT_TRUE(At(up).released);
  EXPECT_FALSE(At(down).dead());
}

TEST_F(HttpTest, RequestBodyWaitsForTheUpstreamsQueue) {
  const ConnId down = Accept();
  const std::string head = "POST / HTTP/1.1\r\nhost: b\r\ncontent-length: 10\r\n\r\n";
  Send(down, head);
  const ConnId up = Connect();
  Take(up);
  SendQueue(up, false);
  Send(down, "12345");
  EXPECT_EQ(Take(up), "");
  EXPECT_EQ(At(down).consumed, head.size());
  SendQueue(up, true);
  EXPECT_EQ(Take(up), "12345");
  EXPECT_EQ(At(down).consumed, head.size() + 5);
}

TEST_F(HttpTest, ResponseBodyWaitsForTheClientsQueue) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  const std::string head = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n";
  Send(up, head);
  Take(down);
  SendQueue(down, false);
  Send(up, "0123456789");
  EXPECT_EQ(Take(down), "");
  EXPECT_EQ(At(up).consumed, head.size());
  Eof(up);  // must not lose what waits
  EXPECT_EQ(engine().exchange_count(), 1u);
  SendQueue(down, true);
  EXPECT_EQ(Take(down), "0123456789");
  EXPECT_EQ(LastRecord(), "200 - via_upstream");
}

TEST_F(HttpTest, BodyBeforeTheConnectionIsThereStaysUnconsumed) {
  const ConnId down = Accept();
  const std::string head = "POST / HTTP/1.1\r\nhost: b\r\ncontent-length: 3\r\n\r\n";
  Send(down, head + "abc");
  EXPECT_EQ(At(down).consumed, head.size());
  const ConnId up = Connect();
  EXPECT_EQ(At(down).consumed, head.size() + 3);
  EXPECT_EQ(BodyOf(Take(up)), "abc");
}

TEST_F(HttpTest, EarlyResponseClosesBothConnections) {
  const ConnId down = Accept();
  Send(down, "POST / HTTP/1.1\r\nhost: b\r\ncontent-length: 100\r\n\r\nabc");
  const ConnId up = Connect();
  Send(up, Status(413));
  EXPECT_EQ(StatusOf(Take(down)), 413);
  EXPECT_TRUE(At(up).aborted);
  EXPECT_TRUE(At(down).released);
}

TEST_F(HttpTest, IdleTimeoutsCloseBothSides) {
  manager().idle_timeout = Duration::Seconds(10);
  cluster().idle_timeout = Duration::Seconds(20);
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, Ok("1"));
  Advance(Duration::Millis(10'100));
  EXPECT_TRUE(At(down).released);
  EXPECT_FALSE(At(up).dead());
  Advance(Duration::Seconds(10));
  EXPECT_TRUE(At(up).released);
}

TEST_F(HttpTest, MaxRequestsPerConnectionIsKept) {
  cluster().requests_per_connection_max = 2;
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, Ok("1"));
  EXPECT_FALSE(At(up).dead());
  Send(down, Get());
  Send(up, Ok("2"));
  EXPECT_TRUE(At(up).released);
}

TEST_F(HttpTest, IdleConnectionThatEndsIsForgotten) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, Ok("1"));
  Eof(up);
  EXPECT_TRUE(At(up).released);
  Send(down, Get());
  EXPECT_EQ(connecting_.size(), 1u);
}

TEST_F(HttpTest, UnaskedBytesCloseAnIdleConnection) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, Ok("1"));
  Send(up, "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_TRUE(At(up).aborted);
  EXPECT_EQ(engine().counters().upstream_surprises, 1u);
}

TEST_F(HttpTest, BytesAfterTheResponseSpoilTheConnection) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, Ok("1") + "HTTP/1.1 200 OK");
  EXPECT_EQ(BodyOf(Take(down)), "1");
  EXPECT_TRUE(At(up).released);
}

TEST_F(HttpTest, EngineFullRefusesConnections) {
  options_.conn_count_max = 2;
  Accept();
  Accept();
  EXPECT_FALSE(Accept().valid());
  EXPECT_EQ(engine().counters().downstream_refused, 1u);
}

TEST_F(HttpTest, ForwardedForOnlyWithRemoteAddress) {
  manager().use_remote_address = true;
  const ConnId down = Accept();
  Send(down, Get("/", "x-forwarded-for: 1.2.3.4\r\n"));
  const ConnId up = Connect();
  EXPECT_EQ(HeaderOf(Take(up), "x-forwarded-for"), "1.2.3.4, 10.0.0.2");
}

TEST_F(HttpTest, RequestIdOfTheClientStays) {
  const ConnId down = Accept();
  Send(down, Get("/", "x-request-id: mine\r\n"));
  const ConnId up = Connect();
  EXPECT_EQ(HeaderOf(Take(up), "x-request-id"), "mine");
}

TEST_F(HttpTest, RewritesPathAndHost) {
  route().match.path_value = "/api/";
  forward().prefix_rewrite = "/";
  forward().host_rewrite = "other.example";
  const ConnId down = Accept();
  Send(down, Get("/api/v1?q=1"));
  const ConnId up = Connect();
  const std::string request = Take(up);
  EXPECT_EQ(request.substr(0, request.find("\r\n")), "GET /v1?q=1 HTTP/1.1");
  EXPECT_EQ(HeaderOf(request, "host"), "other.example");
  EXPECT_EQ(HeaderOf(request, "x-envoy-original-path"), "/api/v1?q=1");
  Send(up, Ok("1"));
  EXPECT_EQ(engine().records().back().path.view(), "/api/v1?q=1");
}

TEST_F(HttpTest, HeaderMutationsGoFromRouteToTable) {
  const auto add = [](const char* name, const char* value) {
    return config::HeaderAdd{name, value, config::HeaderAdd::Mode::kOverwriteOrAdd};
  };
  route().headers.request_add = {add("x-level", "route"), add("x-route", "1")};
  host().headers.request_add = {add("x-level", "host")};
  snapshot_->route_tables[0].headers.request_add = {add("x-level", "table")};
  route().headers.response_remove = {"x-gone"};
  route().headers.response_add = {add("x-new", "n")};
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  const std::string request = Take(up);
  EXPECT_EQ(HeaderOf(request, "x-level"), "table");
  EXPECT_EQ(HeaderOf(request, "x-route"), "1");
  Send(up, Ok("1", "x-gone: 1\r\n"));
  const std::string response = Take(down);
  EXPECT_EQ(HeaderOf(response, "x-gone"), "(none)");
  EXPECT_EQ(HeaderOf(response, "x-new"), "n");
}

}  // namespace
}  // namespace meltemi::engine
