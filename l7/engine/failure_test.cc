// What clients get and what the log says when something is wrong: every response flag, in Envoy's
// words.
#include "l7/engine/engine_fixture.h"

namespace meltemi::engine {
namespace {

using FailureTest = EngineTest;

constexpr char kReset[] =
    "upstream connect error or disconnect/reset before headers. reset reason: ";

TEST_F(FailureTest, NoHealthyUpstream) {
  cluster().endpoints.clear();
  const ConnId down = Accept();
  Send(down, Get());
  const std::string response = Take(down);
  EXPECT_EQ(StatusOf(response), 503);
  EXPECT_EQ(BodyOf(response), "no healthy upstream");
  EXPECT_EQ(HeaderOf(response, "content-type"), "text/plain");
  EXPECT_EQ(HeaderOf(response, "content-length"), "19");
  EXPECT_EQ(HeaderOf(response, "server"), "envoy");
  EXPECT_NE(HeaderOf(response, "date"), "(none)");
  EXPECT_EQ(LastRecord(), "503 UH no_healthy_upstream");
  EXPECT_FALSE(At(down).dead());
}

TEST_F(FailureTest, NoRoute) {
  route().match.path_value = "/only";
  const ConnId down = Accept();
  Send(down, Get("/other"));
  const std::string response = Take(down);
  EXPECT_EQ(StatusOf(response), 404);
  EXPECT_EQ(HeaderOf(response, "content-length"), "0");
  EXPECT_EQ(LastRecord(), "404 NR route_not_found");
}

TEST_F(FailureTest, NoVirtualHost) {
  snapshot_->route_tables[0].any = config::kNoIndex;
  const ConnId down = Accept();
  Send(down, Get());
  EXPECT_EQ(StatusOf(Take(down)), 404);
  EXPECT_EQ(LastRecord(), "404 NR route_not_found");
}

TEST_F(FailureTest, RouteTableNotThereYet) {
  manager().route_table = config::kNoIndex;
  const ConnId down = Accept();
  Send(down, Get());
  EXPECT_EQ(StatusOf(Take(down)), 404);
}

TEST_F(FailureTest, UnknownCluster) {
  forward().clusters[0].cluster = config::kNoIndex;
  const ConnId down = Accept();
  Send(down, Get());
  EXPECT_EQ(StatusOf(Take(down)), 503);
  EXPECT_EQ(LastRecord(), "503 NC cluster_not_found");
}

TEST_F(FailureTest, UnknownClusterWithItsOwnStatus) {
  forward().clusters[0].cluster = config::kNoIndex;
  forward().cluster_not_found_status = 502;
  const ConnId down = Accept();
  Send(down, Get());
  EXPECT_EQ(StatusOf(Take(down)), 502);
}

TEST_F(FailureTest, ConnectionRefused) {
  const ConnId down = Accept();
  Send(down, Get());
  Refuse();
  const std::string response = Take(down);
  EXPECT_EQ(StatusOf(response), 503);
  EXPECT_EQ(BodyOf(response), std::string(kReset) + "connection failure");
  EXPECT_EQ(LastRecord(), "503 UF upstream_reset_before_response_started{connection_failure}");
  EXPECT_EQ(engine().records().back().upstream_host, Address(10, 8080));
}

TEST_F(FailureTest, ConnectionTimeout) {
  cluster().connect_timeout = Duration::Millis(700);
  const ConnId down = Accept();
  Send(down, Get());
  EXPECT_EQ(At(connecting_.front()).timeout, Duration::Millis(700));
  Refuse(ConnectError::kTimeout);
  EXPECT_EQ(BodyOf(Take(down)), std::string(kReset) + "connection timeout");
  EXPECT_EQ(LastRecord(), "503 UF upstream_reset_before_response_started{connection_timeout}");
}

// Goal: the connections of a cluster are opened with its keepalive.
TEST_F(FailureTest, ConnectionsHaveTheirClustersKeepalive) {
  cluster().keepalive = {.time_s = 60, .interval_s = 5, .probes = 3};
  Send(Accept(), Get());
  EXPECT_EQ(At(connecting_.front()).keepalive, cluster().keepalive);
}

TEST_F(FailureTest, UpstreamClosesBeforeTheResponse) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Eof(up);
  EXPECT_EQ(BodyOf(Take(down)), std::string(kReset) + "connection termination");
  EXPECT_EQ(LastRecord(), "503 UC upstream_reset_before_response_started{connection_termination}");
}

TEST_F(FailureTest, UpstreamResetsBeforeTheResponse) {
  const ConnId down = Accept();
  Send(down, Get());
  Closed(Connect());
  EXPECT_EQ(StatusOf(Take(down)), 503);
  EXPECT_EQ(LastRecord(), "503 UC upstream_reset_before_response_started{connection_termination}");
}

TEST_F(FailureTest, UpstreamClosesWithinTheBody) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
  Eof(up);
  EXPECT_EQ(BodyOf(Take(down)), "abc");
  EXPECT_TRUE(At(down).released);
  EXPECT_EQ(LastRecord(), "200 UC upstream_reset_after_response_started{connection_termination}");
}

TEST_F(FailureTest, CutBodyToHttp10ClientIsReset) {
  const ConnId down = Accept();
  Send(down, "GET / HTTP/1.0\r\nhost: b\r\n\r\n");
  const ConnId up = Connect();
  Send(up, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
  Eof(up);
  EXPECT_TRUE(At(down).aborted);
}

TEST_F(FailureTest, UpstreamSpeaksNonsense) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
  const std::string response = Take(down);
  EXPECT_EQ(StatusOf(response), 502);
  EXPECT_EQ(BodyOf(response), std::string(kReset) + "protocol error");
  EXPECT_EQ(LastRecord(), "502 UPE upstream_reset_before_response_started{protocol_error}");
  EXPECT_TRUE(At(up).aborted);
}

TEST_F(FailureTest, UpstreamChunksBroken) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n");
  EXPECT_TRUE(At(down).released);
  EXPECT_EQ(LastRecord(), "200 UPE upstream_reset_after_response_started{protocol_error}");
}

TEST_F(FailureTest, SwitchingProtocolsIsAnError) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
  EXPECT_EQ(StatusOf(Take(down)), 502);
}

TEST_F(FailureTest, ClientSpeaksNonsense) {
  const ConnId down = Accept();
  Send(down, "GET / HTTP/1.1\r\nhost: b\r\nbad header\r\n\r\n");
  const std::string response = Take(down);
  EXPECT_EQ(StatusOf(response), 400);
  EXPECT_EQ(HeaderOf(response, "connection"), "close");
  EXPECT_TRUE(At(down).released);
  EXPECT_EQ(LastRecord(), "400 DPE http1.invalid_header_name");
}

TEST_F(FailureTest, RefusalsHaveTheirNames) {
  const struct {
    const char* request;
    const char* record;
  } rows[] = {
      {"CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n", "405 DPE http1.connect_not_allowed"},
      {"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
       "403 - upgrade_failed"},
      {"GET / HTTP/1.1\r\n\r\n", "400 DPE missing_host_header"},
      {"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
       "400 DPE http1.content_length_and_transfer_encoding"},
      {"GET / HTTP/3.7\r\nhost: a\r\n\r\n", "505 DPE http1.unsupported_version"},
  };
  for (const auto& row : rows) {
    const ConnId down = Accept();
    Send(down, row.request);
    EXPECT_EQ(LastRecord(), row.record);
    EXPECT_TRUE(At(down).released) << row.record;
  }
}

TEST_F(FailureTest, BrokenRequestChunks) {
  const ConnId down = Accept();
  Send(down, "POST / HTTP/1.1\r\nhost: b\r\ntransfer-encoding: chunked\r\n\r\n");
  const ConnId up = Connect();
  Send(down, "zz\r\n");
  EXPECT_EQ(StatusOf(Take(down)), 400);
  EXPECT_TRUE(At(up).aborted);
  EXPECT_EQ(LastRecord(), "400 DPE http1.invalid_chunk");
}

TEST_F(FailureTest, HeadersTooLarge) {
  manager().header_bytes_max = 1024;
  const ConnId down = Accept();
  Send(down, Get("/", "x-big: " + std::string(2000, 'a') + "\r\n"));
  EXPECT_EQ(LastRecord(), "431 DPE request_headers_too_large");
}

TEST_F(FailureTest, ClientGoesAwayWhileWaiting) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Eof(down);
  EXPECT_TRUE(At(up).aborted);
  EXPECT_TRUE(At(down).released);
  EXPECT_EQ(LastRecord(), "0 DC downstream_remote_disconnect");
}

TEST_F(FailureTest, AClientThatDidNotReadWasEndedToMakeRoom) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Closed(down, CloseReason::kOverload);
  EXPECT_TRUE(At(up).aborted);
  EXPECT_EQ(LastRecord(), "0 DC,OM downstream_remote_disconnect");
}

TEST_F(FailureTest, ClientResetsWhileConnecting) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = TakeConnect();
  Closed(down);
  EXPECT_TRUE(At(up).aborted);
  EXPECT_EQ(LastRecord(), "0 DC downstream_remote_disconnect");
}

TEST_F(FailureTest, ClientGoesAwayWithinTheBody) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
  Closed(down);
  EXPECT_TRUE(At(up).aborted);
  EXPECT_EQ(LastRecord(), "200 DC downstream_remote_disconnect");
}

TEST_F(FailureTest, RouteTimeout) {
  forward().timeout = Duration::Millis(300);
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Advance(Duration::Millis(299));
  EXPECT_EQ(Take(down), "");
  Advance(Duration::Millis(2));
  const std::string response = Take(down);
  EXPECT_EQ(StatusOf(response), 504);
  EXPECT_EQ(BodyOf(response), "upstream request timeout");
  EXPECT_EQ(LastRecord(), "504 UT response_timeout");
  EXPECT_TRUE(At(up).aborted);
  EXPECT_FALSE(At(down).dead());
}

TEST_F(FailureTest, RouteTimeoutWithinTheResponse) {
  forward().timeout = Duration::Millis(300);
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
  Advance(Duration::Millis(400));
  EXPECT_TRUE(At(down).released);
  EXPECT_EQ(LastRecord(), "200 UT response_timeout");
}

TEST_F(FailureTest, RouteTimeoutWhileConnecting) {
  forward().timeout = Duration::Millis(300);
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = TakeConnect();
  Advance(Duration::Millis(400));
  EXPECT_EQ(StatusOf(Take(down)), 504);
  EXPECT_TRUE(At(up).aborted);
}

TEST_F(FailureTest, TimeoutHeaderOverridesTheRoutes) {
  const ConnId down = Accept();
  Send(down, Get("/", "x-envoy-upstream-rq-timeout-ms: 50\r\n"));
  const ConnId up = Connect();
  const std::string request = Take(up);
  EXPECT_EQ(HeaderOf(request, "x-envoy-expected-rq-timeout-ms"), "50");
  EXPECT_EQ(HeaderOf(request, "x-envoy-upstream-rq-timeout-ms"), "(none)");
  Advance(Duration::Millis(60));
  EXPECT_EQ(LastRecord(), "504 UT response_timeout");
}

TEST_F(FailureTest, ZeroTimeoutIsOff) {
  forward().timeout = Duration();
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  EXPECT_EQ(HeaderOf(Take(up), "x-envoy-expected-rq-timeout-ms"), "(none)");
  Advance(Duration::Seconds(200));
  EXPECT_EQ(Take(down), "");
}

TEST_F(FailureTest, StreamIdleTimeout) {
  forward().timeout = Duration();
  manager().stream_idle_timeout = Duration::Seconds(5);
  const ConnId down = Accept();
  Send(down, Get());
  Connect();
  Advance(Duration::Millis(5'100));
  const std::string response = Take(down);
  EXPECT_EQ(StatusOf(response), 504);
  EXPECT_EQ(BodyOf(response), "stream timeout");
  EXPECT_EQ(LastRecord(), "504 SI stream_idle_timeout");
}

TEST_F(FailureTest, StreamIdleTimeoutOfASlowRequest) {
  manager().stream_idle_timeout = Duration::Seconds(5);
  const ConnId down = Accept();
  Send(down, "POST / HTTP/1.1\r\nhost: b\r\ncontent-length: 3\r\n\r\na");
  Connect();
  Advance(Duration::Seconds(3));
  Send(down, "b");
  Advance(Duration::Seconds(3));
  EXPECT_EQ(Take(down), "");
  Advance(Duration::Seconds(3));
  EXPECT_EQ(LastRecord(), "408 SI stream_idle_timeout");
  EXPECT_TRUE(At(down).released);
}

TEST_F(FailureTest, RequestHeadersTimeout) {
  manager().request_headers_timeout = Duration::Seconds(2);
  const ConnId down = Accept();
  Advance(Duration::Seconds(10));  // an idle connection is no slow request
  Send(down, "GET / HTT");
  Advance(Duration::Millis(1'900));
  Send(down, "P/1.1\r\n");  // does not begin the time again
  Advance(Duration::Millis(200));
  EXPECT_EQ(StatusOf(Take(down)), 408);
  EXPECT_TRUE(At(down).released);
  EXPECT_EQ(LastRecord(), "408 DPE request_header_timeout");
}

TEST_F(FailureTest, RequestTimeout) {
  manager().request_timeout = Duration::Seconds(2);
  const ConnId down = Accept();
  Send(down, "POST / HTTP/1.1\r\nhost: b\r\ncontent-length: 3\r\n\r\na");
  Connect();
  Advance(Duration::Millis(2'100));
  EXPECT_EQ(LastRecord(), "408 - request_overall_timeout");
}

TEST_F(FailureTest, TooManyRequests) {
  cluster().breaker.requests_max = 1;
  const ConnId a = Accept(), b = Accept();
  Send(a, Get());
  Send(b, Get());
  const std::string response = Take(b);
  EXPECT_EQ(StatusOf(response), 503);
  EXPECT_EQ(BodyOf(response), std::string(kReset) + "overflow");
  EXPECT_EQ(HeaderOf(response, "x-envoy-overloaded"), "true");
  EXPECT_EQ(LastRecord(), "503 UO upstream_reset_before_response_started{overflow}");
}

TEST_F(FailureTest, TooManyPendingRequests) {
  cluster().breaker.pending_max = 1;
  const ConnId a = Accept(), b = Accept();
  Send(a, Get());
  Send(b, Get());
  EXPECT_EQ(LastRecord(), "503 UO upstream_reset_before_response_started{overflow}");
}

TEST_F(FailureTest, ConnectionLimitQueuesRequests) {
  cluster().breaker.connections_max = 1;
  const ConnId a = Accept(), b = Accept();
  Send(a, Get("/a"));
  Send(b, Get("/b"));
  const ConnId up = Connect();
  EXPECT_TRUE(connecting_.empty());
  Take(up);
  Send(up, Ok("1"));
  EXPECT_EQ(BodyOf(Take(a)), "1");
  EXPECT_EQ(Take(up).substr(0, 6), "GET /b");
  Send(up, Ok("2"));
  EXPECT_EQ(BodyOf(Take(b)), "2");
}

TEST_F(FailureTest, QueuedRequestGetsAFreshConnectionAfterAFailure) {
  cluster().breaker.connections_max = 1;
  const ConnId a = Accept(), b = Accept();
  Send(a, Get("/a"));
  Send(b, Get("/b"));
  Refuse();
  EXPECT_EQ(StatusOf(Take(a)), 503);
  const ConnId up = Connect();
  EXPECT_EQ(Take(up).substr(0, 6), "GET /b");
}

TEST_F(FailureTest, QueuedRequestOfAClientThatLeftIsForgotten) {
  cluster().breaker.connections_max = 1;
  const ConnId a = Accept(), b = Accept();
  Send(a, Get());
  Send(b, Get());
  Closed(b);
  const ConnId up = Connect();
  Take(up);
  Send(up, Ok("1"));
  EXPECT_EQ(Take(up), "");
  EXPECT_FALSE(At(up).dead());
}

TEST_F(FailureTest, DirectResponse) {
  route().action = config::DirectResponse{418, "teapot"};
  const ConnId down = Accept();
  Send(down, Get());
  const std::string response = Take(down);
  EXPECT_EQ(StatusOf(response), 418);
  EXPECT_EQ(BodyOf(response), "teapot");
  EXPECT_EQ(LastRecord(), "418 - direct_response");
}

TEST_F(FailureTest, DirectResponseToHeadHasNoBody) {
  route().action = config::DirectResponse{200, "teapot"};
  const ConnId down = Accept();
  Send(down, "HEAD / HTTP/1.1\r\nhost: b\r\n\r\n");
  const std::string response = Take(down);
  EXPECT_EQ(HeaderOf(response, "content-length"), "6");
  EXPECT_EQ(BodyOf(response), "");
}

TEST_F(FailureTest, DirectResponseReadsASmallBodyAndGoesOn) {
  route().action = config::DirectResponse{200, "ok"};
  const ConnId down = Accept();
  const std::string request = "POST / HTTP/1.1\r\nhost: b\r\ncontent-length: 3\r\n\r\nabc";
  Send(down, request + request);
  EXPECT_EQ(engine().records().size(), 2u);
  EXPECT_EQ(At(down).consumed, 2 * request.size());
  EXPECT_FALSE(At(down).dead());
}

TEST_F(FailureTest, Redirect) {
  config::Redirect redirect;
  redirect.status = 302;
  redirect.host = "new.example";
  route().action = std::move(redirect);
  const ConnId down = Accept();
  Send(down, Get("/a?b"));
  const std::string response = Take(down);
  EXPECT_EQ(StatusOf(response), 302);
  EXPECT_EQ(HeaderOf(response, "location"), "http://new.example/a?b");
}

TEST_F(FailureTest, ManyPipelinedLocalRepliesNeedNoStack) {
  route().action = config::DirectResponse{200, ""};
  const ConnId down = Accept();
  std::string requests;
  for (int i = 0; i < 5000; ++i) requests += Get();
  Send(down, requests);
  EXPECT_EQ(engine().records().size(), 5000u);
}

}  // namespace
}  // namespace meltemi::engine
