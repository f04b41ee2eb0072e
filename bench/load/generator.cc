#include "bench/load/generator.h"

#include <algorithm>
#include <utility>

#include "bench/load/backend.h"
#include "l7/base/text.h"

namespace meltemi::load {
namespace {

constexpr uint32_t kHeadsMax = 65'536;

// `pattern` with {} replaced by `number`.
std::string Fill(const std::string& pattern, uint32_t number) {
  const size_t at = pattern.find("{}");
  if (at == std::string::npos) return pattern;
  return Cat(pattern.substr(0, at), number, pattern.substr(at + 2));
}

}  // namespace

Generator::Generator(const RunOptions& options, Stack* stack, Instant now)
    : options_(options),
      stack_(stack),
      begun_(now),
      tls_before_(TlsNow()),
      conns_(options.connections) {
  if (!MakeRequests()) {
    result_.problem = "not enough packet memory for the requests";
    phase_ = Phase::kDone;
    return;
  }
  for (uint32_t i = 0; i < options.connections; ++i) {
    (options.reuse == Reuse::kKeepAlive ? unopened_ : free_).push_back(i);
  }
}

Generator::~Generator() {
  for (Conn& conn : conns_) {
    if (conn.tcp.valid()) stack_->Abort(conn.tcp, begun_);
  }
  handling_.clear();
}

// All requests there are, packed one after the other in large pieces of pool memory.
bool Generator::MakeRequests() {
  const uint64_t count = uint64_t{options_.hosts} * options_.paths;
  std::string packed;
  std::vector<uint32_t> sizes;
  const auto flush = [&] {
    Slice piece = stack_->pool()->Allocate(static_cast<uint32_t>(packed.size()));
    if (piece.empty()) return false;
    std::copy(packed.begin(), packed.end(), piece.mutable_data());
    uint32_t at = 0;
    for (const uint32_t size : sizes) {
      heads_.push_back(piece.Sub(at, size));
      at += size;
    }
    packed.clear();
    sizes.clear();
    return true;
  };
  for (uint64_t i = 0; i < std::min<uint64_t>(count, kHeadsMax); ++i) {
    std::string head =
        Cat(options_.request_bytes > 0 ? "POST " : "GET ",
            Fill(options_.path, static_cast<uint32_t>(i % options_.paths)),
            " HTTP/1.1\r\nhost: ", Fill(options_.host, static_cast<uint32_t>(i / options_.paths)),
            "\r\nuser-agent: meltemi-load\r\naccept: */*\r\n");
    if (options_.request_bytes > 0)
      AppendTo(&head, "content-length: ", options_.request_bytes, "\r\n");
    if (options_.reuse == Reuse::kPerRequest) head += "connection: close\r\n";
    head += "\r\n";
    if (head.size() > stack_->pool()->allocation_max()) return false;
    if (packed.size() + head.size() > stack_->pool()->allocation_max() && !flush()) return false;
    sizes.push_back(static_cast<uint32_t>(head.size()));
    packed += head;
  }
  if (!sizes.empty() && !flush()) return false;
  if (options_.request_bytes > 0) {
    body_ = MakeMessage(stack_->pool(), "", options_.request_bytes);
    if (body_.empty()) return false;
  }
  return true;
}

bool Generator::Turn(Instant now) {
  bool busy = !stack_->events().empty();
  handling_.swap(stack_->events());
  for (tcp::TcpEvent& event : handling_) OnEvent(event, now);
  handling_.clear();
  Advance(now);
  busy |= OpenSome(now);
  if (sending() || phase_ == Phase::kDraining) busy |= SendDue(now);
  return busy;
}

void Generator::OnEvent(tcp::TcpEvent& event, Instant now) {
  using Kind = tcp::TcpEvent::Kind;
  const auto index = static_cast<uint32_t>(event.cookie);
  if (index >= conns_.size() || conns_[index].tcp != event.id) return;
  switch (event.kind) {
    case Kind::kConnected:
      OnConnected(index, now);
      break;
    case Kind::kConnectFailed:
      conns_[index].tcp = TcpId{};
      Lost(index, &Errors::connect, now);
      break;
    case Kind::kData:
      OnBytes(index, std::move(event.bytes), now);
      break;
    case Kind::kEof:
      stack_->Release(event.id, now);
      conns_[index].tcp = TcpId{};
      Lost(index, &Errors::closed, now);
      break;
    case Kind::kClosed:
      conns_[index].tcp = TcpId{};
      Lost(index, conns_[index].state == State::kConnecting ? &Errors::handshake : &Errors::closed,
           now);
      break;
    case Kind::kAccepted:
    case Kind::kSendSpace:
      break;
  }
}

void Generator::OnConnected(uint32_t index, Instant now) {
  Conn& conn = conns_[index];
  ++open_;
  ++result_.connections_opened;
  if (conn.has_request) return Send(conn, now);
  conn.state = State::kIdle;
  Free(index, now);
}

// The connection may take a request.
void Generator::Free(uint32_t index, Instant now) {
  const Conn& conn = conns_[index];
  const uint64_t most = options_.requests_per_connection;
  if (most > 0 && conn.requests >= most) return;  // stays open, idle
  if (!open_loop() && sending()) return Assign(index, now, now);
  free_.push_back(index);
}

void Generator::OnBytes(uint32_t index, Chain bytes, Instant now) {
  Conn& conn = conns_[index];
  const TcpId tcp = conn.tcp;
  const auto count = static_cast<uint32_t>(bytes.size());
  conn.in.Append(std::move(bytes));
  Message message;
  const MessageReader::Result result = conn.has_request
                                           ? conn.reader.Read(&conn.in, &message)
                                           : MessageReader::Result::kError;  // nobody asked
  if (result == MessageReader::Result::kError) {
    stack_->Abort(tcp, now);
    conn.tcp = TcpId{};
    return Lost(index, &Errors::message, now);
  }
  stack_->tcp().Consumed(tcp, count, now);
  if (result == MessageReader::Result::kMessage) OnAnswer(index, message, now);
}

void Generator::OnAnswer(uint32_t index, const Message& message, Instant now) {
  Conn& conn = conns_[index];
  Record(conn, message, now);
  conn.has_request = false;
  --busy_;
  ++conn.requests;
  conn.state = State::kIdle;
  if (!message.close && options_.reuse == Reuse::kKeepAlive) return Free(index, now);
  stack_->Release(conn.tcp, now);
  conn.tcp = TcpId{};
  conn.state = State::kClosed;
  --open_;
  if (options_.reuse == Reuse::kPerRequest) return Free(index, now);
  unopened_.push_back(index);
}

void Generator::Record(const Conn& conn, const Message& message, Instant now) {
  ++result_.requests_total;
  const bool good = message.status >= 200 && message.status < 300;
  if (!good) ++result_.errors.status;
  if (InMeasure(now) && good) {
    ++result_.requests;
    result_.body_bytes += message.body_bytes;
  }
  if (!InMeasure(conn.intended)) return;
  result_.latency.Record(now - conn.intended);
  result_.service.Record(now - conn.sent);
}

// A connection is gone that was not meant to go. Its request, if it had one, has failed.
void Generator::Lost(uint32_t index, uint64_t Errors::*why, Instant now) {
  Conn& conn = conns_[index];
  if (conn.state == State::kIdle || conn.state == State::kBusy) --open_;
  if (conn.state == State::kIdle) std::erase(free_, index);
  const bool never_was = why == &Errors::connect || why == &Errors::handshake;
  if (conn.has_request || never_was) ++(result_.errors.*why);
  if (conn.has_request) --busy_;
  conn.has_request = false;
  conn.state = State::kClosed;
  conn.in.Clear();
  conn.reader.Reset();
  reopen_.push_back({now + kReopenAfter, index});  // not at once: it may be refused again
}

// From phase to phase.
void Generator::Advance(Instant now) {
  switch (phase_) {
    case Phase::kConnecting: {
      const bool ready = options_.reuse == Reuse::kPerRequest || open_ == options_.connections;
      if (ready) return Measure(now);
      if (now - begun_ > options_.connect_timeout * 4) {
        result_.problem = Cat("only ", open_, " of ", options_.connections,
                              " connections could be opened to ", options_.target.ToString());
        CountTls();
        phase_ = Phase::kDone;
      }
      break;
    }
    case Phase::kWarmup:
      if (now >= measure_start_) phase_ = Phase::kMeasuring;
      break;
    case Phase::kMeasuring:
      if (now >= measure_end_) phase_ = Phase::kDraining;
      break;
    case Phase::kDraining: {
      const bool waiting = busy_ > 0 || (schedule_ && schedule_->next() < measure_end_);
      if (!waiting || now >= measure_end_ + options_.drain) Finish(now);
      break;
    }
    case Phase::kDone:
      break;
  }
}

void Generator::Measure(Instant now) {
  measure_start_ = now + options_.warmup;
  measure_end_ = measure_start_ + options_.duration;
  result_.measured = options_.duration;
  phase_ = Phase::kWarmup;
  if (open_loop()) {
    schedule_.emplace(options_.arrival, options_.rate, now, options_.seed);
    return;
  }
  std::deque<uint32_t> all;
  all.swap(free_);
  for (const uint32_t index : all) Free(index, now);
}

bool Generator::OpenSome(Instant now) {
  while (!reopen_.empty() && reopen_.front().at <= now) {
    const uint32_t index = reopen_.front().conn;
    reopen_.pop_front();
    if (options_.reuse == Reuse::kPerRequest) {
      Free(index, now);
    } else {
      unopened_.push_back(index);
    }
  }
  if (phase_ == Phase::kDraining || phase_ == Phase::kDone) return false;
  int opened = 0;
  for (; opened < kOpensPerTurn && !unopened_.empty(); ++opened) {
    const uint32_t index = unopened_.front();
    unopened_.pop_front();
    Open(index, now);
  }
  return opened > 0;
}

void Generator::Open(uint32_t index, Instant now) {
  Conn& conn = conns_[index];
  conn.state = State::kConnecting;
  conn.reader.Reset();
  conn.in.Clear();
  conn.requests = 0;
  conn.tcp = stack_->Connect(options_.target, index, now + options_.connect_timeout, now);
  if (!conn.tcp.valid()) Lost(index, &Errors::connect, now);
}

bool Generator::SendDue(Instant now) {
  if (!schedule_) return false;
  bool sent = false;
  while (!free_.empty() && schedule_->next() <= now && schedule_->next() < measure_end_) {
    const uint32_t index = free_.front();
    free_.pop_front();
    const Instant intended = schedule_->next();
    schedule_->Advance();
    Assign(index, intended, now);
    sent = true;
  }
  return sent;
}

void Generator::Assign(uint32_t index, Instant intended, Instant now) {
  Conn& conn = conns_[index];
  conn.has_request = true;
  ++busy_;
  conn.intended = intended;
  conn.sent = now;
  if (open_loop() && InMeasure(intended)) result_.lateness.Record(now - intended);
  if (options_.reuse == Reuse::kPerRequest) return Open(index, now);
  Send(conn, now);
}

void Generator::Send(Conn& conn, Instant now) {
  conn.state = State::kBusy;
  Chain request(heads_[next_head_++ % heads_.size()]);
  if (!body_.empty()) request.Append(body_.Share(0, body_.size()));
  stack_->Send(conn.tcp, std::move(request), now);
}

void Generator::CountUnfinished(Instant now) {
  for (const Conn& conn : conns_) {
    if (!conn.has_request) continue;
    ++result_.errors.unfinished;
    if (InMeasure(conn.intended)) result_.latency.Record(now - conn.intended);
  }
  // Those that never found a free connection.
  while (schedule_ && schedule_->next() < measure_end_) {
    ++result_.errors.unfinished;
    if (InMeasure(schedule_->next())) result_.latency.Record(now - schedule_->next());
    schedule_->Advance();
  }
}

TlsCounts Generator::TlsNow() const {
  if (stack_->tls() == nullptr) return {};
  const tls::TlsCounters& c = stack_->tls()->counters();
  return {.full = c.handshakes_done - c.handshakes_resumed,
          .resumed = c.handshakes_resumed,
          .failed = c.handshakes_failed + c.refused_full};
}

void Generator::CountTls() {
  if (options_.tls == ClientTls::kOff) return;
  const TlsCounts now = TlsNow();
  result_.tls = {.full = now.full - tls_before_.full,
                 .resumed = now.resumed - tls_before_.resumed,
                 .failed = now.failed - tls_before_.failed};
  const tls::HandshakeInfo* agreed = stack_->tls()->agreed();
  if (agreed != nullptr) result_.tls.cipher = agreed->cipher_name;
}

void Generator::Finish(Instant now) {
  CountUnfinished(now);
  CountTls();
  for (Conn& conn : conns_) {
    if (!conn.tcp.valid()) continue;
    if (conn.has_request || conn.state == State::kConnecting) {
      stack_->Abort(conn.tcp, now);
    } else {
      stack_->Release(conn.tcp, now);
    }
    conn.tcp = TcpId{};
    conn.in.Clear();
  }
  phase_ = Phase::kDone;
}

}  // namespace meltemi::load
