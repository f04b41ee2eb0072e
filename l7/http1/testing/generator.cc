#include "l7/http1/testing/generator.h"

#include <iterator>
#include <string_view>

#include "l7/base/text.h"

namespace meltemi::http1 {
namespace {

using std::string_view_literals::operator""sv;

template <typename T, size_t N>
const T& Pick(const T (&list)[N], Prng* prng) {
  return list[prng->Below(N)];
}

std::string Letters(Prng* prng, size_t count_max) {
  std::string text;
  for (size_t n = prng->Below(count_max + 1); n > 0; --n) {
    text += static_cast<char>('a' + prng->Below(26));
  }
  return text;
}

std::string AnyFields(Prng* prng) {
  constexpr std::string_view kNames[] = {"Accept", "accept-encoding",  "X-Forwarded-For",
                                         "Cookie", "x-Request-ID",     "User-Agent",
                                         "ETag",   "X_Y!#$%&'*+-.^`|~"};
  constexpr std::string_view kValues[] = {
      "*/*", "", "a, b;q=0.1", "\"quoted\\\"\"", "a\tb  c", "\x80\xff obs-text", "gzip", "1:2:3"};
  constexpr std::string_view kSpace[] = {" ", "", "\t", "   "};
  std::string fields;
  for (size_t n = prng->Below(6); n > 0; --n) {
    AppendTo(&fields, Pick(kNames, prng), ":", Pick(kSpace, prng), Pick(kValues, prng),
             Letters(prng, 40), Pick(kSpace, prng), "\r\n");
  }
  return fields;
}

std::string Connection(Prng* prng) {
  constexpr std::string_view kLines[] = {"",
                                         "",
                                         "",
                                         "Connection: close\r\n",
                                         "Connection: keep-alive\r\n",
                                         "connection: Keep-Alive, X-A\r\n"};
  return std::string(Pick(kLines, prng));
}

std::string Chunked(Prng* prng) {
  constexpr std::string_view kExtensions[] = {"", "", "", ";a=b", ";name"};
  constexpr std::string_view kTrailers[] = {"", "", "", "X-Trailer: 1\r\n",
                                            "Checksum: abc\r\nX-B:\r\n"};
  std::string body;
  for (size_t n = prng->Below(4); n > 0; --n) {
    const std::string data = Letters(prng, 40) + "x";
    constexpr char kHex[] = "0123456789ABCDEF";
    if (data.size() >= 16 || prng->Chance(1, 4)) body += kHex[data.size() / 16];
    body += kHex[data.size() % 16];
    AppendTo(&body, Pick(kExtensions, prng), "\r\n", data, "\r\n");
  }
  AppendTo(&body, "0\r\n", Pick(kTrailers, prng), "\r\n");
  return body;
}

// Fields that say how long the body is, the empty line, and the body.
std::string FramedBody(Prng* prng, bool http10) {
  switch (prng->Below(http10 ? 2 : 3)) {
    case 0:
      return "\r\n";
    case 1: {
      const std::string data = Letters(prng, 100);
      return Cat("Content-Length: ", data.size(), "\r\n\r\n", data);
    }
    default:
      return Cat("Transfer-Encoding: ", prng->Chance(1, 2) ? "chunked" : "Chunked", "\r\n\r\n",
                 Chunked(prng));
  }
}

}  // namespace

std::string ValidRequests(Prng* prng) {
  constexpr std::string_view kMethods[] = {"GET",    "POST",  "PUT",    "HEAD",
                                           "DELETE", "PATCH", "OPTIONS"};
  constexpr std::string_view kTargets[] = {
      "/",           "/a/b?c=d&e=%20f", "/index.html", "/?", "//x", "http://example.com/abs?q=1",
      "/~a;b=c/(d)!"};
  constexpr std::string_view kHosts[] = {"example.com", "a:80", "10.0.0.1:8080", "[fd00::1]:80",
                                         "x-y.z"};
  std::string stream;
  for (size_t n = 1 + prng->Below(3); n > 0; --n) {
    AppendTo(&stream, Pick(kMethods, prng), " ", Pick(kTargets, prng), " HTTP/1.1\r\n",
             AnyFields(prng), "Host: ", Pick(kHosts, prng), "\r\n", Connection(prng),
             AnyFields(prng), FramedBody(prng, /*http10=*/false));
  }
  return stream;
}

std::string ValidResponses(Prng* prng) {
  constexpr std::string_view kLines[] = {"200 OK",           "200 ",         "404 Not Found",
                                         "503 x y \xff",     "100 Continue", "204 No Content",
                                         "304 Not Modified", "206 Partial"};
  std::string stream;
  for (size_t n = 1 + prng->Below(3); n > 0; --n) {
    const std::string_view line = Pick(kLines, prng);
    const bool empty = line[0] == '1' || line.starts_with("204") || line.starts_with("304");
    const bool http10 = prng->Chance(1, 8);
    AppendTo(&stream, "HTTP/1.", http10 ? "0 " : "1 ", line, "\r\n", AnyFields(prng),
             Connection(prng), empty ? "\r\n" : FramedBody(prng, http10));
  }
  return stream;
}

std::string Damage(std::string stream, Prng* prng) {
  constexpr std::string_view kTraps[] = {"Content-Length: 5\r\n",
                                         "Content-Length: +5\r\n",
                                         "Content-Length: 5, 5\r\n",
                                         "Content-Length : 5\r\n",
                                         "Content-Length: 0x5\r\n",
                                         "Content-Length:\r\n",
                                         "Content-Length: 18446744073709551616\r\n",
                                         "Content-Length: 5 5\r\n",
                                         "Transfer-Encoding: chunked\r\n",
                                         "Transfer-Encoding: xchunked\r\n",
                                         "Transfer-Encoding : chunked\r\n",
                                         "Transfer-Encoding: gzip, chunked\r\n",
                                         "Transfer-Encoding: chunked, identity\r\n",
                                         "Transfer-Encoding:\vchunked\r\n",
                                         "Transfer-Encoding: \"chunked\"\r\n",
                                         " folded\r\n",
                                         "\tTransfer-Encoding: chunked\r\n",
                                         "Host: other\r\n",
                                         "Host:\r\n",
                                         "X: a\rb\r\n",
                                         "X: a\nTransfer-Encoding: chunked\r\n",
                                         "X: a\0b\r\n"sv,
                                         "X\0: b\r\n"sv,
                                         ": no name\r\n",
                                         "X\r\n",
                                         "X Y: z\r\n",
                                         "\r\n",
                                         "\n",
                                         "\r",
                                         "Connection: upgrade\r\nUpgrade: websocket\r\n",
                                         "Connection: Upgrade\r\nUpgrade: h2c\r\n",
                                         "Expect: 100-continue\r\n",
                                         "Expect: x\r\n",
                                         "Connection: close, keep-alive\r\n",
                                         "0\r\n\r\n",
                                         "GET / HTTP/1.1\r\n",
                                         "5;a=\"\r\n",
                                         "ffffffffffffffff\r\n",
                                         "-1\r\n",
                                         "0 \r\n"};
  for (size_t faults = 1 + prng->Below(2); faults > 0; --faults) {
    const size_t line = stream.find('\n', prng->Below(stream.size() + 1));
    const size_t at = prng->Below(stream.size());
    switch (prng->Below(6)) {
      case 0:
      case 1:
      case 2: {  // a trap, at the beginning of a line
        const size_t place = line == std::string::npos ? stream.size() : line + 1;
        stream.insert(place, Pick(kTraps, prng));
        break;
      }
      case 3:
        stream[at] = static_cast<char>(prng->Below(256));
        break;
      case 4:
        stream.insert(at, 1, "\r\n \t:;,0aA\x7f\0"[prng->Below(12)]);
        break;
      case 5:
        stream.erase(at, 1 + prng->Below(3));
        break;
    }
    if (stream.empty()) stream = "x";
  }
  return stream;
}

}  // namespace meltemi::http1
