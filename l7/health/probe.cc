#include "l7/health/probe.h"

#include <algorithm>
#include <utility>

#include "l7/base/limits.h"
#include "l7/base/text.h"

namespace meltemi::health {
namespace {

constexpr std::string_view kUserAgent = "Envoy/HC";
constexpr std::string_view kGrpcPath = "/grpc.health.v1.Health/Check";

bool IsIn(const std::vector<config::HttpHealthCheck::Statuses>& ranges, uint16_t status) {
  return std::any_of(ranges.begin(), ranges.end(), [status](const auto& range) {
    return status >= range.first && status < range.second;
  });
}

void AppendVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

// A message of protobuf behind the five bytes that gRPC puts before each.
std::string GrpcRequest(const std::string& service) {
  std::string message;
  if (!service.empty()) {
    message.push_back(0x0a);  // field 1, a string
    AppendVarint(service.size(), &message);
    message.append(service);
  }
  std::string framed(1, '\0');  // not compressed
  for (int shift = 24; shift >= 0; shift -= 8) {
    framed.push_back(static_cast<char>(message.size() >> shift));
  }
  return framed + message;
}

bool ReadVarint(std::string_view* in, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64 && !in->empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(in->front());
    in->remove_prefix(1);
    *value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool SkipField(uint64_t wire_type, std::string_view* in) {
  uint64_t size = 0;
  switch (wire_type) {
    case 0:
      return ReadVarint(in, &size);
    case 1:
      size = 8;
      break;
    case 2:
      if (!ReadVarint(in, &size)) return false;
      break;
    case 5:
      size = 4;
      break;
    default:
      return false;
  }
  if (size > in->size()) return false;
  in->remove_prefix(size);
  return true;
}

}  // namespace

bool IsServing(std::string_view body) {
  constexpr size_t kPrefix = 5;
  if (body.size() < kPrefix || body[0] != 0) return false;
  size_t size = 0;
  for (size_t i = 1; i < kPrefix; ++i) size = size << 8 | static_cast<uint8_t>(body[i]);
  body.remove_prefix(kPrefix);
  if (size != body.size()) return false;
  uint64_t status = 0;
  while (!body.empty()) {
    uint64_t tag = 0;
    if (!ReadVarint(&body, &tag)) return false;
    const bool is_status = tag == (1 << 3 | 0);
    if (is_status ? !ReadVarint(&body, &status) : !SkipField(tag & 7, &body)) return false;
  }
  constexpr uint64_t kServing = 1;
  return status == kServing;
}

Probe::Probe(const config::HealthCheck& config, const Options& options, BufferPool* pool,
             http2::HpackMemory* memory)
    : config_(config), options_(options), pool_(pool) {
  const auto* http = std::get_if<config::HttpHealthCheck>(&config.kind);
  const bool http2 =
      http != nullptr ? http->http2 : std::holds_alternative<config::GrpcHealthCheck>(config.kind);
  if (http2) {
    http2::SessionOptions session;
    session.role = http2::Role::kClient;
    // A check's answer is small: one that is not shall wait for its timeout.
    session.initial_stream_window_size = session.initial_connection_window_size = 65'535;
    http2_ = std::make_unique<http2::Session>(session, memory, pool);
  } else if (http != nullptr) {
    http1_.emplace(pool, http1::HeadLimits{});
  }
}

std::optional<Result> Probe::Begin(Instant now) {
  asking_ = true;
  status_ = 0;
  degraded_ = false;
  grpc_status_.clear();
  body_.clear();
  pattern_ = 0;
  if (http2_ != nullptr) return BeginHttp2(now);
  if (const auto* http = std::get_if<config::HttpHealthCheck>(&config_.kind)) {
    return BeginHttp1(*http);
  }
  const auto& tcp = std::get<config::TcpHealthCheck>(config_.kind);
  if (tcp.receive.empty()) {
    // As in Envoy: a connection is what was asked for, and the next check opens one again.
    reusable_ = asking_ = false;
    return Result::kPass;
  }
  if (!AppendCopy(pool_, tcp.send, &out_)) return Result::kNetwork;
  return std::nullopt;
}

std::optional<Result> Probe::BeginHttp1(const config::HttpHealthCheck& http) {
  http1_->Expect(http.method);
  const std::string request =
      Cat(http.method, " ", http.path, " HTTP/1.1\r\nhost: ", AuthorityOf(http.host),
          "\r\nuser-agent: ", kUserAgent, "\r\n\r\n");
  if (!AppendCopy(pool_, request, &out_)) return Result::kNetwork;
  return std::nullopt;
}

std::optional<Result> Probe::BeginHttp2(Instant now) {
  const auto* grpc = std::get_if<config::GrpcHealthCheck>(&config_.kind);
  http::HeaderBlock headers(pool_);
  bool ok = headers.Add("user-agent", kUserAgent);
  http2::Session::RequestOut request{.scheme = options_.secure ? "https" : "http",
                                     .headers = &headers};
  if (grpc != nullptr) {
    ok = ok && headers.Add("content-type", "application/grpc") && headers.Add("te", "trailers");
    request.method = "POST";
    request.path = kGrpcPath;
    request.authority = AuthorityOf(grpc->authority);
  } else {
    const auto& http = std::get<config::HttpHealthCheck>(config_.kind);
    request.method = http.method;
    request.path = http.path;
    request.authority = AuthorityOf(http.host);
    request.end = true;
  }
  stream_ = ok ? http2_->SendRequest(request, now) : 0;
  Chain body;
  if (stream_ != 0 && grpc != nullptr) {
    ok = AppendCopy(pool_, GrpcRequest(grpc->service_name), &body);
    // It is smaller than any window: its size is bounded where the configuration is read.
    if (ok) [[maybe_unused]]
      const bool more = http2_->SendBody(stream_, std::move(body));
    http2_->SendEnd(stream_, std::nullopt);
  }
  if (stream_ != 0 && ok) return std::nullopt;
  asking_ = reusable_ = false;  // the peer takes no streams, or memory is short
  return Result::kNetwork;
}

std::optional<Result> Probe::OnBytes(Chain* in, Instant now) {
  std::optional<Result> result;
  if (http2_ != nullptr) {
    result = ReadHttp2(in, now);
  } else if (!asking_) {
    // Nobody has asked for these: whatever comes next could not be told from them.
    if (!in->empty()) reusable_ = false;
    in->Clear();
  } else {
    result = http1_.has_value() ? ReadHttp1(in) : ReadTcp(in);
  }
  if (result.has_value()) {
    asking_ = false;
    reusable_ = reusable_ && config_.reuse_connection && !NoAnswer(*result) && in->empty();
  }
  return result;
}

std::optional<Result> Probe::OnEof() {
  reusable_ = false;
  if (!std::exchange(asking_, false)) return std::nullopt;
  if (http1_.has_value() && status_ != 0 && http1_->EndAtClose()) return ResultOfHttp();
  return Result::kNetwork;
}

Chain Probe::TakeOutput() {
  if (http2_ != nullptr) out_.Append(http2_->TakeOutput(limits::kTcpSendQueueBytes));
  return std::exchange(out_, Chain());
}

void Probe::TakeHead(uint16_t status, const http::HeaderBlock& headers) {
  status_ = status;
  degraded_ = !headers.Get("x-envoy-degraded").empty();
  grpc_status_ = std::string(headers.Get("grpc-status"));
}

std::optional<Result> Probe::ReadHttp1(Chain* in) {
  while (true) {
    switch (http1_->Next(in)) {
      case http1::Event::kNeedMore:
        return std::nullopt;
      case http1::Event::kHead:
        if (http1_->head().status < 200) break;
        TakeHead(http1_->head().status, http1_->head().headers);
        reusable_ = reusable_ && http1_->head().keep_alive;
        break;
      case http1::Event::kBody:
        http1_->TakeBody();
        break;
      case http1::Event::kEnd:
        if (status_ == 0) break;  // of a 1xx
        return ResultOfHttp();
      case http1::Event::kError:
        reusable_ = false;
        return Result::kNetwork;
    }
  }
}

std::optional<Result> Probe::ReadHttp2(Chain* in, Instant now) {
  std::optional<Result> result;
  while (true) {
    const http2::Event event = http2_->Next(in, now);
    const bool ours = asking_ && http2_->stream() == stream_;
    switch (event) {
      case http2::Event::kNeedMore:
        return result;
      case http2::Event::kRequest:
      case http2::Event::kSendSpace:
        break;
      case http2::Event::kResponse: {
        const http::ResponseHead head = http2_->TakeResponse();
        if (ours && head.status >= 200) TakeHead(head.status, head.headers);
        break;
      }
      case http2::Event::kBody: {
        const Chain body = http2_->TakeBody();
        http2_->Consumed(http2_->stream(), body.size());
        if (ours && body_.size() + body.size() <= kGrpcAnswerBytesMax) body_ += body.ToString();
        break;
      }
      case http2::Event::kEnd: {
        const auto trailers = http2_->TakeTrailers();
        if (!ours) break;
        if (trailers.has_value()) grpc_status_ = std::string(trailers->Get("grpc-status"));
        result = std::holds_alternative<config::GrpcHealthCheck>(config_.kind) ? ResultOfGrpc()
                                                                               : ResultOfHttp();
        break;
      }
      case http2::Event::kReset:
        if (ours && !result.has_value()) result = Result::kNetwork;
        break;
      case http2::Event::kGoAway:
        reusable_ = false;
        break;
      case http2::Event::kSettings:
      case http2::Event::kPong:
        break;
      case http2::Event::kError:
        reusable_ = false;
        return asking_ && !result.has_value() ? Result::kNetwork : result;
    }
  }
}

// Each pattern behind the one before it, whatever stands between them.
std::optional<Result> Probe::ReadTcp(Chain* in) {
  const auto& patterns = std::get<config::TcpHealthCheck>(config_.kind).receive;
  body_ += in->ToString();
  in->Clear();
  while (pattern_ < patterns.size()) {
    const std::string& pattern = patterns[pattern_];
    const size_t at = body_.find(pattern);
    if (at == std::string::npos) {
      const size_t keep = std::min(body_.size(), pattern.size() - 1);
      body_.erase(0, body_.size() - keep);
      return std::nullopt;
    }
    body_.erase(0, at + pattern.size());
    ++pattern_;
  }
  return Result::kPass;
}

Result Probe::ResultOfHttp() const {
  const auto& http = std::get<config::HttpHealthCheck>(config_.kind);
  if (http.expected.empty() ? status_ == 200 : IsIn(http.expected, status_)) {
    return degraded_ ? Result::kPassDegraded : Result::kPass;
  }
  return IsIn(http.retriable, status_) ? Result::kFailRetriable : Result::kFail;
}

Result Probe::ResultOfGrpc() const {
  const bool serving = status_ == 200 && grpc_status_ == "0" && IsServing(body_);
  return serving ? Result::kPass : Result::kFail;
}

}  // namespace meltemi::health
