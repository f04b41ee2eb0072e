// Goal: flags, metrics, log fields and the operator's pages behave as documented. Method: values
// in, values out; the HTTP server over the loopback with raw bytes.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control/common/flags.h"
#include "control/common/http_server.h"
#include "control/common/log.h"
#include "control/common/metrics.h"
#include "gtest/gtest.h"

namespace meltemi::control::common {
namespace {

using Words = std::vector<std::string>;

struct Parsed {
  std::string file = "none";
  std::string dry;
  absl::StatusOr<Words> rest = Words{};
};

Parsed Parse(const Words& args) {
  Parsed out;
  out.rest =
      ParseFlags(args, {{"file-name", "FILE", "", &out.file, 'f'}, {"dry-run", "", "", &out.dry}});
  return out;
}

TEST(Flags, AreReadInEveryForm) {
  EXPECT_EQ(Parse({"--file-name=a"}).file, "a");
  EXPECT_EQ(Parse({"--file-name", "a"}).file, "a");
  EXPECT_EQ(Parse({"-f", "a"}).file, "a");
  EXPECT_EQ(Parse({"--dry-run"}).dry, "true");
  EXPECT_EQ(*Parse({"x", "-f", "-", "y"}).rest, (Words{"x", "y"}));
  EXPECT_EQ(Parse({"x", "-f", "-", "y"}).file, "-");
  EXPECT_EQ(*Parse({"--", "--dry-run"}).rest, (Words{"--dry-run"}));
}

TEST(Flags, WrongOnesAreNamed) {
  EXPECT_EQ(Parse({"--fiel"}).rest.status().message(), "unknown flag --fiel; see --help");
  EXPECT_EQ(Parse({"--f", "a"}).rest.status().message(), "unknown flag --f; see --help");
  EXPECT_EQ(Parse({"-f"}).rest.status().message(), "--file-name needs a value");
  EXPECT_EQ(Parse({"--dry-run=x"}).rest.status().message(), "--dry-run takes no value");
}

TEST(Metrics, AreWrittenInPrometheusText) {
  Metrics metrics;
  metrics.Declare("b", Metrics::Kind::kCounter, "Things.");
  metrics.Declare("a", Metrics::Kind::kHistogram, "Seconds.", {0.5, 1});
  metrics.Add("b", 1, "type=\"x\"");
  metrics.Add("b", 2, "type=\"x\"");
  metrics.Observe("a", 0.75);
  EXPECT_EQ(metrics.Text(),
            "# HELP a Seconds.\n# TYPE a histogram\na_bucket{le=\"0.5\"} 0\na_bucket{le=\"1\"} 1\n"
            "a_bucket{le=\"+Inf\"} 1\na_sum 0.75\na_count 1\n"
            "# HELP b Things.\n# TYPE b counter\nb{type=\"x\"} 3\n");
}

TEST(Log, QuotesWhatNeedsIt) {
  EXPECT_EQ(LogField("a", "b"), "a=b");
  EXPECT_EQ(LogField("a", "b c\n"), "a=\"b c\\n\"");
  EXPECT_EQ(LogField("a", ""), "a=\"\"");
}

std::string Exchange(int port, const std::string& request) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  std::string reply;
  char buffer[1024];
  for (ssize_t got = 0; (got = recv(fd, buffer, sizeof(buffer), 0)) > 0;) {
    reply.append(buffer, got);
  }
  close(fd);
  return reply;
}

TEST(HttpServer, AnswersGetRefusesTheRestAndStops) {
  const auto server = HttpServer::Start("127.0.0.1:0", [](const std::string& path) {
    return HttpReply{.body = "you asked " + path};
  });
  ASSERT_TRUE(server.ok()) << server.status();
  const int port = (*server)->port();
  EXPECT_EQ(Exchange(port, "GET /x?y HTTP/1.1\r\nhost: a\r\n\r\n"),
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 14\r\n"
            "connection: close\r\n\r\nyou asked /x?y");
  EXPECT_TRUE(absl::StartsWith(Exchange(port, "POST / HTTP/1.1\r\n\r\n"), "HTTP/1.1 405 "));
  EXPECT_TRUE(absl::StartsWith(Exchange(port, std::string(8192, 'x')), "HTTP/1.1 400 "));
}

TEST(HttpServer, SaysWhyItCannotListen) {
  const auto handler = [](const std::string&) { return HttpReply{}; };
  EXPECT_FALSE(HttpServer::Start("nonsense", handler).ok());
  const auto first = HttpServer::Start("127.0.0.1:0", handler);
  ASSERT_TRUE(first.ok());
  const auto second = HttpServer::Start(absl::StrCat("127.0.0.1:", (*first)->port()), handler);
  EXPECT_TRUE(absl::StrContains(second.status().message(), "Address already in use"));
}

}  // namespace
}  // namespace meltemi::control::common
