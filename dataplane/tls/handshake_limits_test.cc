// Handshakes that take too long, are too many, or are none.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/tls/testing/mesh_ends.h"

namespace meltemi::tls {
namespace {

TEST(Handshake, EndsInTimeOrNot) {
  // Goal: a silent peer is given up at the deadline and not before; one that is done has no timer.
  MeshOptions options;
  const ContextRef server = Server(options.server);
  TlsEnd end;
  end.Accept(server);
  end.Advance(Duration::Millis(14'900));
  EXPECT_EQ(end.seen.error, TlsError::kNone);
  end.Advance(Duration::Millis(200));
  EXPECT_EQ(end.seen.error, TlsError::kHandshakeTimeout);
  EXPECT_EQ(end.tls.session_count(), 0u);
  EXPECT_EQ(end.tls.handshakes_in_flight(), 0u);
  EXPECT_EQ(end.tls.counters().handshake_timeouts, 1u);
  MeshEnds ends;
  ends.Shake(Client(options.client), server);
  ASSERT_TRUE(ends.done());
  EXPECT_EQ(ends.server.timers.size(), 0u);
  ends.server.Advance(Duration::Seconds(100));
  EXPECT_EQ(ends.server.seen.error, TlsError::kNone);
}

TEST(Handshake, TimeoutWhileAThreadHasIt) {
  MeshOptions options;
  TlsEnd end;
  end.runner.set_paused(true);
  end.Connect(Client(options.client));
  end.Advance(Duration::Seconds(16));
  EXPECT_EQ(end.seen.error, TlsError::kHandshakeTimeout);
  EXPECT_EQ(end.tls.handshakes_in_flight(), 1u);  // the thread still has it
  end.runner.set_paused(false);
  end.Poll();
  EXPECT_EQ(end.tls.handshakes_in_flight(), 0u);
  EXPECT_EQ(end.Take(), "");
}

TEST(Handshake, LimitsSessionsAndHandshakes) {
  // Goal: n - 1, n, n + 1 of each.
  MeshOptions options;
  const ContextRef server = Server(options.server);
  TlsOptions limited = TestOptions();
  limited.handshakes_in_flight_max = 3;
  TlsEnd end(limited);
  std::vector<TlsId> ids;
  for (int i = 0; i < 3; ++i) {
    ids.push_back(end.tls.Accept(server, 7, end.now));
    EXPECT_TRUE(ids.back().valid());
  }
  EXPECT_FALSE(end.tls.Accept(server, 7, end.now).valid());
  EXPECT_EQ(end.tls.counters().refused_full, 1u);
  end.tls.Release(ids[1]);
  EXPECT_TRUE(end.tls.Accept(server, 7, end.now).valid());
  limited = TestOptions();
  limited.session_count_max = 2;
  TlsEnd few(limited);
  EXPECT_TRUE(few.tls.Accept(server, 7, few.now).valid());
  EXPECT_TRUE(few.tls.Accept(server, 7, few.now).valid());
  EXPECT_FALSE(few.tls.Accept(server, 7, few.now).valid());
}

TEST(Handshake, WaitsForRoomAtTheThreads) {
  // Goal: a runner with room for one: ten handshakes all are done, in turn, and counted.
  MeshOptions options;
  const ContextRef client = Client(options.client);
  HeapBufferPool pool(16'384);
  TimerWheel timers{Instant()};
  SynchronousHandshakes runner(1);
  Tls tls(TestOptions(), &pool, &timers, &runner, Instant());
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(tls.Connect(client, {}, 7, Instant()).valid());
  EXPECT_EQ(tls.counters().handshake_waits, 9u);
  std::vector<TlsEvent> events;
  for (int turn = 0; turn < 10; ++turn) tls.Poll(Instant(), &events);
  EXPECT_EQ(events.size(), 10u);  // ClientHellos
  events.clear();
}

TEST(Handshake, TakesAtMostSoManyPerTurn) {
  MeshOptions options;
  const ContextRef client = Client(options.client);
  TlsOptions many = TestOptions();
  many.session_count_max = 200;
  TlsEnd end(many);
  for (int i = 0; i < limits::kTlsHandshakesPerTurn + 1; ++i) {
    ASSERT_TRUE(end.tls.Connect(client, {}, 7, end.now).valid());
  }
  std::vector<TlsEvent> events;
  end.tls.Poll(end.now, &events);
  EXPECT_EQ(events.size(), static_cast<size_t>(limits::kTlsHandshakesPerTurn));
  end.tls.Poll(end.now, &events);
  EXPECT_EQ(events.size(), static_cast<size_t>(limits::kTlsHandshakesPerTurn) + 1);
  events.clear();
}

TEST(Handshake, RefusesWhatIsNotTls) {
  MeshOptions options;
  const ContextRef server = Server(options.server);
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(100, '\0'), std::string(100, '\xff')}) {
    TlsEnd end;
    end.Accept(server);
    end.Receive(bytes);
    end.Poll();
    EXPECT_TRUE(end.seen.error == TlsError::kNotTls || end.seen.error == TlsError::kHandshakeFailed)
        << Name(end.seen.error) << end.seen.detail;
  }
}

TEST(Handshake, RefusesEndlessOnes) {
  // Goal: a peer that sends for ever and never gets done: here, CCS records, which OpenSSL skips.
  MeshOptions options;
  TlsEnd client, server;
  server.Accept(Server(options.server));
  client.Connect(Client(options.client));
  client.Poll();
  server.Receive(client.Take());
  server.Poll();
  std::string skipped;
  for (int i = 0; i < 5000; ++i) skipped += std::string("\x14\x03\x03\x00\x01\x01", 6);
  for (int i = 0; i < 10 && server.seen.error == TlsError::kNone; ++i) {
    server.Receive(skipped);
    server.Poll();
  }
  EXPECT_NE(server.seen.error, TlsError::kNone);
  EXPECT_EQ(server.tls.session_count(), 0u);
}

TEST(Handshake, EndOfStreamIsAnError) {
  MeshOptions options;
  const ContextRef server = Server(options.server);
  {
    TlsEnd end;
    end.Accept(server);
    end.Eof();
    EXPECT_EQ(end.seen.error, TlsError::kTruncated);
  }
  {
    TlsEnd end;  // while a thread has it
    end.Accept(server);
    end.Receive(std::string("\x16\x03\x01\x00", 4));
    end.Eof();
    EXPECT_EQ(end.seen.error, TlsError::kNone);
    end.Poll();
    EXPECT_EQ(end.seen.error, TlsError::kTruncated);
  }
}

TEST(Handshake, SaysSoWithoutBuffers) {
  MeshOptions options;
  HeapBufferPool pool(16'384, 0);
  TimerWheel timers{Instant()};
  SynchronousHandshakes runner;
  Tls tls(TestOptions(), &pool, &timers, &runner, Instant());
  ASSERT_TRUE(tls.Connect(Client(options.client), {}, 7, Instant()).valid());
  std::vector<TlsEvent> events;
  tls.Poll(Instant(), &events);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].error, TlsError::kNoMemory);
  EXPECT_EQ(tls.session_count(), 0u);
  EXPECT_EQ(tls.handshakes_in_flight(), 0u);
}

}  // namespace
}  // namespace meltemi::tls
