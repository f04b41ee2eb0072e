#include "l7/http1/serializer.h"

#include <charconv>
#include <cstring>
#include <initializer_list>

#include "l7/base/text.h"

namespace meltemi::http1 {
namespace {

// Writes into one slice when the head fits (it does but for monsters), else through a string.
class Writer {
 public:
  Writer(BufferPool* pool, size_t bytes) : pool_(pool) {
    if (bytes <= pool->allocation_max()) {
      slice_ = pool->Allocate(static_cast<uint32_t>(bytes));
      at_ = slice_.mutable_data();
    } else {
      big_.resize(bytes);
      at_ = reinterpret_cast<uint8_t*>(big_.data());
    }
    begin_ = at_;
  }
  bool ok() const { return begin_ != nullptr; }
  void Put(std::string_view s) {
    if (s.empty()) return;
    std::memcpy(at_, s.data(), s.size());
    at_ += s.size();
  }
  void PutNumber(uint64_t n) {
    char digits[20];
    const auto result = std::to_chars(digits, digits + sizeof(digits), n);
    Put({digits, static_cast<size_t>(result.ptr - digits)});
  }
  bool Finish(Chain* out) {
    const auto used = static_cast<uint32_t>(at_ - begin_);
    if (!big_.empty()) return AppendCopy(pool_, std::string_view(big_).substr(0, used), out);
    slice_.RemoveSuffix(slice_.size() - used);
    out->Append(std::move(slice_));
    return true;
  }

 private:
  BufferPool* pool_;
  Slice slice_;
  std::string big_;
  uint8_t* at_ = nullptr;
  uint8_t* begin_ = nullptr;
};

constexpr size_t kFramingBytesMax = 128;  // every framing field at once

void PutHeaders(const http::HeaderBlock& headers, bool skip_host, Writer* w) {
  for (const http::Header& h : headers.headers()) {
    if (h.known == http::Known::kContentLength || h.known == http::Known::kTransferEncoding ||
        (skip_host && h.known == http::Known::kHost)) {
      continue;
    }
    w->Put(h.name);
    w->Put(": ");
    w->Put(h.value);
    w->Put("\r\n");
  }
}

void PutFraming(const FramingOut& f, Writer* w) {
  switch (f.framing) {
    case http::Framing::kLength:
      w->Put("content-length: ");
      w->PutNumber(f.content_length);
      w->Put("\r\n");
      break;
    case http::Framing::kChunked:
      w->Put("transfer-encoding: chunked\r\n");
      break;
    case http::Framing::kNone:
      if (f.announce_zero_length) w->Put("content-length: 0\r\n");
      break;
    case http::Framing::kUntilClose:
      break;
  }
  if (f.close) w->Put("connection: close\r\n");
  if (f.keep_alive) w->Put("connection: keep-alive\r\n");
}

}  // namespace

bool WriteRequestHead(std::string_view method, std::string_view path, std::string_view authority,
                      const http::HeaderBlock& headers, const FramingOut& framing, BufferPool* pool,
                      Chain* out) {
  Writer w(pool, method.size() + path.size() + authority.size() + headers.wire_bytes() +
                     kFramingBytesMax + 32);
  if (!w.ok()) return false;
  w.Put(method);
  w.Put(" ");
  w.Put(path);
  w.Put(" HTTP/1.1\r\nhost: ");
  w.Put(authority);
  w.Put("\r\n");
  PutHeaders(headers, /*skip_host=*/true, &w);
  PutFraming(framing, &w);
  w.Put("\r\n");
  return w.Finish(out);
}

bool WriteResponseHead(uint16_t status, std::string_view reason, const http::HeaderBlock& headers,
                       const FramingOut& framing, BufferPool* pool, Chain* out) {
  Writer w(pool, reason.size() + headers.wire_bytes() + kFramingBytesMax + 32);
  if (!w.ok()) return false;
  w.Put("HTTP/1.1 ");
  w.PutNumber(status);
  w.Put(" ");
  w.Put(reason);
  w.Put("\r\n");
  PutHeaders(headers, /*skip_host=*/false, &w);
  PutFraming(framing, &w);
  w.Put("\r\n");
  return w.Finish(out);
}

bool WriteChunk(Chain body, BufferPool* pool, Chain* out) {
  if (body.empty()) return true;
  char line[20];
  const auto end = std::to_chars(line, line + 16, body.size(), 16).ptr;
  end[0] = '\r';
  end[1] = '\n';
  Chain framed;
  if (!AppendCopy(pool, {line, static_cast<size_t>(end + 2 - line)}, &framed)) return false;
  framed.Append(std::move(body));
  if (!AppendCopy(pool, "\r\n", &framed)) return false;
  out->Append(std::move(framed));
  return true;
}

bool WriteLastChunk(std::string_view trailers, BufferPool* pool, Chain* out) {
  return AppendCopy(pool, Cat("0\r\n", trailers, "\r\n"), out);
}

}  // namespace meltemi::http1
