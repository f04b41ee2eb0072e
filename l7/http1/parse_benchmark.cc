// Cycles to parse a head, for the sizes of the performance budget (56, 243 and 703 byte requests; a
// 114 byte response): find the end, parse, look up known fields, build the HeaderBlock (with its
// arena from a pool), validate. Prints the minimum and the median of many batches in TSC ticks.
#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "l7/base/slice.h"
#include "l7/http/message.h"
#include "l7/http/validate.h"
#include "l7/http1/decoder.h"
#include "l7/http1/head_parser.h"
#include "l7/http1/scan.h"

namespace meltemi::http1 {
namespace {

// A free list of one size, like the cache of a worker's pool.
class BenchPool final : public BufferPool {
 public:
  ~BenchPool() override {
    for (Buffer* buffer : free_) {
      delete[] buffer->memory;
      delete buffer;
    }
  }
  Slice Allocate(uint32_t size) override {
    if (free_.empty()) {
      free_.push_back(new Buffer{.memory = new uint8_t[kRoom], .capacity = kRoom, .pool = this});
    }
    Buffer* buffer = free_.back();
    free_.pop_back();
    return Slice(buffer, buffer->memory, size);
  }
  uint32_t allocation_max() const override { return kRoom; }
  void Release(Buffer* buffer) override { free_.push_back(buffer); }

 private:
  static constexpr uint32_t kRoom = 16 * 1024;
  std::vector<Buffer*> free_;
};

constexpr int kBatches = 2000;
constexpr int kBatch = 200;

struct Cycles {
  double best = 0, median = 0;
};

template <typename F>
Cycles Measure(F&& once) {
  std::vector<double> results;
  for (int i = 0; i < kBatches; ++i) {
    const uint64_t begin = __rdtsc();
    for (int j = 0; j < kBatch; ++j) once();
    results.push_back(static_cast<double>(__rdtsc() - begin) / kBatch);
  }
  std::sort(results.begin(), results.end());
  return {results.front(), results[results.size() / 2]};
}

void Print(const char* name, size_t bytes, const char* what, Cycles cycles) {
  std::printf("%-10s %4zu bytes  %-34s best %6.0f  median %6.0f tsc\n", name, bytes, what,
              cycles.best, cycles.median);
}

void MeasureRequest(const char* name, std::string head) {
  BenchPool pool;
  char* const begin = head.data();
  char* const end = begin + head.size();
  bool good = true;
  Print(name, head.size(), "find the end",
        Measure([&] { good &= FindHeadEnd(begin, end) == end; }));
  Print(name, head.size(), "fields only, no block", Measure([&] {
          char* p = begin + head.find('\n') + 1;
          FieldLine line;
          do {
            good &= ParseField(&p, end, &line) == http::Reject::kNone;
          } while (!line.name.empty());
        }));
  Print(name, head.size(), "parse into a block", Measure([&] {
          http::RequestHead out(&pool);
          good &= ParseRequestHead(begin, end, HeadLimits{}, &out) == http::Reject::kNone;
        }));
  Chain source;
  AppendCopy(&pool, head, &source);
  Print(name, head.size(), "decoder: find, parse, validate, end", Measure([&] {
          Chain in = source.Share(0, source.size());
          RequestDecoder decoder(&pool, HeadLimits{});
          good &= decoder.Next(&in) == Event::kHead;
          good &= decoder.Next(&in) == Event::kEnd;
        }));
  if (!good) std::printf("%s: not parsed\n", name);
}

void MeasureResponse(const char* name, std::string head) {
  BenchPool pool;
  char* const begin = head.data();
  char* const end = begin + head.size();
  bool good = true;
  Print(name, head.size(), "parse into a block", Measure([&] {
          http::ResponseHead out(&pool);
          good &= ParseResponseHead(begin, end, HeadLimits{}, &out) == http::Reject::kNone;
        }));
  if (!good) std::printf("%s: not parsed\n", name);
}

}  // namespace
}  // namespace meltemi::http1

int main() {
  meltemi::http1::MeasureRequest(
      "small", "GET / HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nX: 1\r\n\r\n");
  meltemi::http1::MeasureRequest(
      "mesh",
      "GET /reviews/0 HTTP/1.1\r\nHost: reviews.default.svc.cluster.local:9080\r\n"
      "User-Agent: python-requests/2.28.1\r\nx-request-id: 3f1c9a52-6e07-9d0a-8f0c-1c1b2a3d4e5f\r\n"
      "Accept: application/json, text/plain, */*\r\nx-forwarded-proto: http\r\n\r\n");
  meltemi::http1::MeasureRequest(
      "browser",
      "GET /productpage?u=normal&session=8f14e45fceea167a5a36dedd4bea2543 HTTP/1.1\r\n"
      "Host: bookinfo.example.com\r\nConnection: keep-alive\r\nCache-Control: max-age=0\r\n"
      "Upgrade-Insecure-Requests: 1\r\n"
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
      "Chrome/120.0.0.0 Safari/537.36\r\n"
      "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
      "Referer: http://bookinfo.example.com/productpage?u=normal\r\n"
      "Accept-Encoding: gzip, deflate\r\nAccept-Language: en-GB,en;q=0.9,el;q=0.8\r\n"
      "Cookie: session=eyJ1c2VyIjoiamFzb24ifQ.ZXhhbXBsZQ.c2lnbmF0dXJlLW9mLXRoZS1jb29raWU; "
      "consent=necessary,statistics; theme=dark; tz=Europe%2FAthens; seen=4\r\n\r\n");
  meltemi::http1::MeasureResponse(
      "response",
      "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Type: text/plain\r\n"
      "Content-Length: 64\r\nConnection: keep-alive\r\n\r\n");
  return 0;
}
