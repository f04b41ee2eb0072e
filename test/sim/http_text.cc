#include "test/sim/http_text.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "l7/base/prng.h"
#include "l7/base/text.h"

namespace meltemi::sim {
namespace {

constexpr std::string_view kEndOfLine = "\r\n";

size_t DrawSize(Prng* prng, size_t max) {
  const uint64_t kind = prng->Below(100);
  if (kind < 10) return 0;
  if (kind < 80) return prng->Below(std::min<size_t>(max, 512) + 1);
  if (kind < 98) return prng->Below(std::min<size_t>(max, 8192) + 1);
  return prng->Below(max + 1);
}

std::string Pattern(uint64_t seed, size_t bytes) {
  std::string text(bytes, '\0');
  uint64_t word = seed * 0x9e3779b97f4a7c15 + 1;
  for (size_t i = 0; i < bytes; ++i) {
    if (i % 8 == 0) word = word * 6364136223846793005 + 1442695040888963407;
    text[i] = static_cast<char>(word >> (i % 8 * 8));
  }
  return text;
}

bool ParseNumber(std::string_view text, int base, size_t* value) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), *value, base);
  return !text.empty() && result.ec == std::errc() && result.ptr == text.data() + text.size();
}

}  // namespace

Plan PlanOf(uint64_t id, const Shape& shape) {
  if (shape.fixed) return *shape.fixed;
  Prng prng(id ^ 0x5eed);
  Plan plan;
  plan.post = prng.Chance(shape.post_percent, 100);
  plan.chunked_request = prng.Chance(shape.chunked_percent, 100);
  plan.chunked_reply = prng.Chance(shape.chunked_percent, 100);
  if (plan.post) plan.request_bytes = DrawSize(&prng, shape.request_bytes_max);
  plan.reply_bytes = DrawSize(&prng, shape.reply_bytes_max);
  return plan;
}

std::string RequestBody(uint64_t id, size_t bytes) { return Pattern(id * 2, bytes); }
std::string ReplyBody(uint64_t id, size_t bytes) { return Pattern(id * 2 + 1, bytes); }

uint64_t Sum(std::string_view bytes) {
  uint64_t h = 0xcbf29ce484222325;
  for (const char c : bytes) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return h;
}

std::string RequestText(uint64_t id, const Plan& plan, std::string_view host,
                        std::string_view prefix) {
  std::string text =
      Cat(plan.post ? "POST " : "GET ", prefix, "/r/", id, "/", plan.reply_bytes,
          plan.chunked_reply ? "/c" : "/l", " HTTP/1.1\r\nhost: ", host, "\r\nx-id: ", id, "\r\n");
  if (!plan.post) return text.append(kEndOfLine);
  AppendBody(RequestBody(id, plan.request_bytes), plan.chunked_request, &text);
  return text;
}

std::string ReplyText(uint64_t id, const Plan& plan, std::string_view server,
                      std::string_view request_body) {
  std::string text = Cat("HTTP/1.1 200 OK\r\nx-server: ", server, "\r\nx-id: ", id,
                         "\r\nx-sum: ", Sum(request_body), "\r\n");
  AppendBody(ReplyBody(id, plan.reply_bytes), plan.chunked_reply, &text);
  return text;
}

void AppendBody(std::string_view body, bool chunked, std::string* out) {
  if (!chunked) {
    AppendTo(out, "content-length: ", body.size(), "\r\n\r\n", body);
    return;
  }
  out->append("transfer-encoding: chunked\r\n\r\n");
  for (size_t piece = 1; !body.empty(); piece = piece * 3 + 1) {
    const size_t n = std::min(piece, body.size());
    char digits[16];
    const auto end = std::to_chars(digits, digits + sizeof(digits), n, 16);
    AppendTo(out, std::string_view(digits, end.ptr), "\r\n", body.substr(0, n), "\r\n");
    body.remove_prefix(n);
  }
  out->append("0\r\n\r\n");
}

std::string_view Message::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

int Message::status() const {
  size_t code = 0;
  return start_line.size() >= 12 &&
                 ParseNumber(std::string_view(start_line).substr(9, 3), 10, &code)
             ? static_cast<int>(code)
             : 0;
}

bool MessageReader::Feed(std::string_view bytes, std::vector<Message>* out) {
  buffer_.append(bytes);
  for (;;) {
    switch (Advance(out)) {
      case Step::kMore:
        break;
      case Step::kWait:
        return true;
      case Step::kBad:
        return false;
    }
  }
}

MessageReader::Step MessageReader::Advance(std::vector<Message>* out) {
  switch (state_) {
    case State::kHead:
      return ReadHead(out);
    case State::kBody:
      if (buffer_.size() < wanted_) return Step::kWait;
      message_.body.append(buffer_, 0, wanted_);
      buffer_.erase(0, wanted_);
      Finish(out);
      return Step::kMore;
    case State::kChunkSize:
      return ReadChunkSize();
    case State::kChunk:
      if (buffer_.size() < wanted_ + 2) return Step::kWait;
      if (buffer_.compare(wanted_, 2, kEndOfLine) != 0) return Step::kBad;
      message_.body.append(buffer_, 0, wanted_);
      buffer_.erase(0, wanted_ + 2);
      state_ = State::kChunkSize;
      return Step::kMore;
    case State::kTrailers:
      if (buffer_.size() < 2) return Step::kWait;
      if (buffer_.compare(0, 2, kEndOfLine) != 0) return Step::kBad;  // nobody sends any
      buffer_.erase(0, 2);
      Finish(out);
      return Step::kMore;
  }
  return Step::kBad;
}

MessageReader::Step MessageReader::ReadHead(std::vector<Message>* out) {
  const size_t end = buffer_.find("\r\n\r\n");
  if (end == std::string::npos) return Step::kWait;
  message_ = Message{};
  if (!ParseHead(std::string_view(buffer_).substr(0, end + 2))) return Step::kBad;
  buffer_.erase(0, end + 4);
  const std::string_view length = message_.Header("content-length");
  if (!message_.Header("transfer-encoding").empty()) {
    if (message_.Header("transfer-encoding") != "chunked" || !length.empty()) return Step::kBad;
    state_ = State::kChunkSize;
  } else if (!length.empty()) {
    if (!ParseNumber(length, 10, &wanted_)) return Step::kBad;
    state_ = State::kBody;
  } else {
    if (message_.start_line.starts_with("HTTP/")) return Step::kBad;  // until close: not asked for
    Finish(out);
  }
  return Step::kMore;
}

bool MessageReader::ParseHead(std::string_view head) {
  for (bool first = true; !head.empty(); first = false) {
    const size_t end = head.find(kEndOfLine);
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (first) {
      message_.start_line = line;
      continue;
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    std::string name(line.substr(0, colon));
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const size_t value = line.find_first_not_of(' ', colon + 1);
    message_.headers.emplace_back(
        name, value == std::string_view::npos ? "" : std::string(line.substr(value)));
  }
  const std::string& start = message_.start_line;
  return start.starts_with("HTTP/1.1 ") || start.ends_with(" HTTP/1.1");
}

MessageReader::Step MessageReader::ReadChunkSize() {
  const size_t end = buffer_.find(kEndOfLine);
  if (end == std::string::npos) return Step::kWait;
  if (!ParseNumber(std::string_view(buffer_).substr(0, end), 16, &wanted_)) return Step::kBad;
  buffer_.erase(0, end + 2);
  state_ = wanted_ == 0 ? State::kTrailers : State::kChunk;
  return Step::kMore;
}

void MessageReader::Finish(std::vector<Message>* out) {
  out->push_back(std::move(message_));
  state_ = State::kHead;
  message_ = Message{};
}

}  // namespace meltemi::sim
