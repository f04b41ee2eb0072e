#include "bench/load/message_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "absl/strings/match.h"
#include "l7/base/text.h"
#include "l7/http1/scan.h"

namespace meltemi::load {
namespace {

bool Is(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() && absl::EqualsIgnoreCase(Abs(text), Abs(lower));
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

void MessageReader::Reset() { *this = MessageReader(kind_); }

MessageReader::Result MessageReader::Read(Chain* in, Message* out) {
  Result result = Result::kMessage;
  if (state_ == State::kHead) result = ReadHead(in);
  if (result != Result::kMessage) return result;
  result = ReadBody(in);
  if (result != Result::kMessage) return result;
  *out = message_;
  message_ = Message{};
  state_ = State::kHead;
  return Result::kMessage;
}

MessageReader::Result MessageReader::ReadHead(Chain* in) {
  while (!in->empty()) {
    // The scanner takes writable bytes but writes none.
    char* data = reinterpret_cast<char*>(const_cast<uint8_t*>(in->front().data()));
    const size_t size = in->front().size();
    if (head_.empty()) {
      const char* end = http1::FindHeadEnd(data, data + size);
      if (end != nullptr) {
        const size_t bytes = static_cast<size_t>(end - data);
        const Result result = OnHead({data, bytes});
        in->RemovePrefix(bytes);
        return result;
      }
    }
    const size_t before = head_.size();
    head_.append(data, size);
    const char* end = http1::FindHeadEnd(head_.data() + (before > 3 ? before - 3 : 0),
                                         head_.data() + head_.size());
    if (end == nullptr) {
      in->RemovePrefix(size);
      if (head_.size() > kHeadBytesMax) return Result::kError;
      continue;
    }
    const size_t bytes = static_cast<size_t>(end - head_.data());
    in->RemovePrefix(bytes - before);
    const Result result = OnHead(std::string_view(head_).substr(0, bytes));
    head_.clear();
    return result;
  }
  return Result::kNeedMore;
}

MessageReader::Result MessageReader::OnHead(std::string_view head) {
  message_ = Message{};
  chunked_ = has_length_ = false;
  left_ = 0;
  size_t line_end = head.find("\r\n");
  if (kind_ == MessageKind::kResponse) {
    if (line_end < 12 || head.substr(0, 7) != "HTTP/1.") return Result::kError;
    const auto parsed = std::from_chars(head.data() + 9, head.data() + 12, message_.status);
    if (parsed.ptr != head.data() + 12 || message_.status < 200) return Result::kError;
  }
  const char* p = head.data() + line_end + 2;
  const char* const end = head.data() + head.size() - 2;  // the empty line
  while (p < end) {
    const auto* eol = static_cast<const char*>(std::memchr(p, '\r', end - p));
    if (eol == nullptr) return Result::kError;
    // Only fields that begin with c or t matter.
    const char first = static_cast<char>(*p | 0x20);
    if (first == 'c' || first == 't') {
      const auto* colon = static_cast<const char*>(std::memchr(p, ':', eol - p));
      if (colon == nullptr) return Result::kError;
      const std::string_view name(p, static_cast<size_t>(colon - p));
      const std::string_view value(colon + 1, static_cast<size_t>(eol - colon - 1));
      if (!OnField(name, Trim(value))) return Result::kError;
    }
    p = eol + 2;
  }
  const bool bodiless = message_.status == 204 || message_.status == 304;
  if (bodiless) chunked_ = false;
  // A response without either lasts until the connection closes: nothing we measure does that.
  if (kind_ == MessageKind::kResponse && !chunked_ && !has_length_ && !bodiless) {
    return Result::kError;
  }
  if (bodiless) left_ = 0;
  message_.body_bytes = left_;
  state_ = chunked_ ? State::kChunked : State::kLength;
  if (chunked_) chunks_.Begin(http::Framing::kChunked, 0);
  return Result::kMessage;
}

bool MessageReader::OnField(std::string_view name, std::string_view value) {
  if (Is(name, "content-length")) {
    const char* end = value.data() + value.size();
    has_length_ = true;
    return std::from_chars(value.data(), end, left_).ptr == end && !value.empty();
  }
  if (Is(name, "transfer-encoding")) {
    chunked_ = Is(value, "chunked");
    return chunked_;
  }
  if (Is(name, "connection")) message_.close |= Is(value, "close");
  return true;
}

MessageReader::Result MessageReader::ReadBody(Chain* in) {
  if (state_ == State::kLength) {
    const uint64_t n = std::min<uint64_t>(left_, in->size());
    in->RemovePrefix(n);
    left_ -= n;
    return left_ == 0 ? Result::kMessage : Result::kNeedMore;
  }
  Chain body;
  const http1::BodyDecoder::Result result = chunks_.Decode(in, &body);
  message_.body_bytes += body.size();
  switch (result) {
    case http1::BodyDecoder::Result::kMore:
      return Result::kNeedMore;
    case http1::BodyDecoder::Result::kDone:
      return Result::kMessage;
    case http1::BodyDecoder::Result::kError:
      break;
  }
  return Result::kError;
}

}  // namespace meltemi::load
