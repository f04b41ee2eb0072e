#include "test/sim/http_client.h"

#include <algorithm>
#include <utility>

#include "l7/base/text.h"

namespace meltemi::sim {
namespace {

constexpr Duration kConnectTimeout = Duration::Seconds(60);
constexpr size_t kErrorsMax = 20;  // enough to see what is wrong

uint64_t Cookie(size_t slot, uint64_t generation) { return generation << 20 | slot; }

}  // namespace

HttpClient::HttpClient(const ClientOptions& options, Instant now)
    : options_(options),
      prng_(options.seed),
      slots_(options.connection_count),
      outcomes_(options.request_count),
      next_id_(options.first_id),
      end_id_(options.first_id + options.request_count) {
  for (Slot& slot : slots_) {
    slot.ready_at = now + Duration::Nanos(static_cast<int64_t>(
                              prng_.Below(static_cast<uint64_t>(options.spread.nanos()) + 1)));
  }
}

void HttpClient::Extend(uint64_t request_count) {
  options_.request_count += request_count;
  end_id_ += request_count;
  outcomes_.resize(options_.request_count);
}

void HttpClient::OnEvent(Host& host, tcp::TcpEvent& event, Instant now) {
  using Kind = tcp::TcpEvent::Kind;
  Slot& slot = slots_[event.cookie & 0xfffff];
  if (event.cookie >> 20 != slot.generation) return;
  switch (event.kind) {
    case Kind::kAccepted:
    case Kind::kSendSpace:
      break;
    case Kind::kConnected:
      slot.state = State::kOpen;
      break;
    case Kind::kData: {
      host.tcp().Consumed(event.id, static_cast<uint32_t>(event.bytes.size()), now);
      std::vector<Message> replies;
      if (!slot.reader.Feed(event.bytes.ToString(), &replies) && errors_.size() < kErrorsMax) {
        errors_.push_back("a reply is no HTTP/1.1");
      }
      for (const Message& reply : replies) OnReply(&slot, reply, now);
      break;
    }
    case Kind::kEof:
      if (slot.state != State::kClosing) Finish(host, &slot, now);
      break;
    case Kind::kClosed:
    case Kind::kConnectFailed:
      Break(&slot, now);
      ++slot.generation;
      slot.state = State::kNone;
      slot.ready_at = now + Duration::Millis(1);
      break;
  }
}

void HttpClient::Finish(Host& host, Slot* slot, Instant now) {
  host.tcp().Finish(slot->tcp, now);
  slot->state = State::kClosing;
}

// What was asked and not answered when the connection ended.
void HttpClient::Break(Slot* slot, Instant now) {
  if (!slot->reader.empty() && errors_.size() < kErrorsMax && slot->waiting.empty()) {
    errors_.push_back("bytes behind the last reply");
  }
  for (const uint64_t id : slot->waiting) {
    At(id).broken = true;
    At(id).done = now;
    ++settled_;
  }
  slot->waiting.clear();
}

void HttpClient::OnReply(Slot* slot, const Message& reply, Instant now) {
  if (slot->waiting.empty()) {
    errors_.push_back(Cat("a reply nobody asked for: ", reply.start_line));
    return;
  }
  const uint64_t id = slot->waiting.front();
  slot->waiting.pop_front();
  Outcome& outcome = At(id);
  ++outcome.replies;
  outcome.status = reply.status();
  outcome.body_sum = Sum(reply.body);
  outcome.server = reply.Header("x-server");
  outcome.config = reply.Header("x-config");
  outcome.done = now;
  ++settled_;
  if (outcome.status == 200) Verify(id, reply, &outcome);
  if (reply.Header("connection") == "close") slot->left = 0;
  slot->ready_at = now;
  if (options_.think_max > Duration()) {
    slot->ready_at = now + Duration::Nanos(static_cast<int64_t>(
                               prng_.Below(static_cast<uint64_t>(options_.think_max.nanos()))));
  }
}

void HttpClient::Verify(uint64_t id, const Message& reply, Outcome* outcome) {
  const Plan plan = PlanOf(id, options_.shape);
  const char* what = nullptr;
  if (reply.Header("x-id") != Cat(id)) what = "is the reply of another";
  if (reply.body != ReplyBody(id, plan.reply_bytes)) what = "has a damaged body";
  if (reply.Header("x-sum") != Cat(Sum(RequestBody(id, plan.request_bytes)))) {
    what = "reached the server with a damaged body";
  }
  if (outcome->replies != 1) what = "has two replies";
  if (what != nullptr && errors_.size() < kErrorsMax)
    errors_.push_back(Cat("request ", id, " ", what));
}

Instant HttpClient::OnTurn(Host& host, Instant now) {
  Instant next = Instant::Never();
  for (size_t i = 0; i < slots_.size(); ++i) next = std::min(next, Drive(host, i, now));
  return next;
}

Instant HttpClient::Drive(Host& host, size_t index, Instant now) {
  Slot& slot = slots_[index];
  if (slot.state == State::kNone && !NothingToSend()) {
    if (slot.ready_at > now) return slot.ready_at;
    Open(host, index, now);
    if (slot.state == State::kNone) return slot.ready_at;
  }
  if (slot.state != State::kOpen) return Instant::Never();
  while (slot.left > 0 && !NothingToSend() && slot.ready_at <= now &&
         static_cast<int>(slot.waiting.size()) < options_.pipeline_max) {
    const uint64_t id = next_id_++;
    At(id).sent = now;
    slot.waiting.push_back(id);
    --slot.left;
    host.Send(slot.tcp,
              RequestText(id, PlanOf(id, options_.shape), options_.host,
                          options_.prefixes[id % options_.prefixes.size()]),
              now);
  }
  if (slot.waiting.empty() && (slot.left == 0 || (NothingToSend() && !options_.keep_open))) {
    Finish(host, &slot, now);
    return Instant::Never();
  }
  return slot.left > 0 && !NothingToSend() && slot.ready_at > now ? slot.ready_at
                                                                  : Instant::Never();
}

void HttpClient::Open(Host& host, size_t index, Instant now) {
  Slot& slot = slots_[index];
  const SockAddr& service = options_.services[opened_++ % options_.services.size()];
  slot.tcp = host.Connect(service, Cookie(index, slot.generation), now + kConnectTimeout, now);
  if (!slot.tcp.valid()) {
    slot.ready_at = now + Duration::Millis(10);
    return;
  }
  slot.state = State::kConnecting;
  slot.reader = MessageReader();
  const auto mean = static_cast<uint64_t>(options_.requests_per_connection);
  slot.left = static_cast<int>(mean == 1 ? 1 : 1 + prng_.Below(2 * mean - 1));
  if (options_.keep_open) slot.left = 1 << 30;
}

void HttpClient::CloseAll(Host& host, Instant now) {
  options_.keep_open = false;
  for (Slot& slot : slots_) {
    if (slot.state == State::kOpen && slot.waiting.empty()) Finish(host, &slot, now);
  }
}

bool HttpClient::closed() const {
  return std::all_of(slots_.begin(), slots_.end(),
                     [](const Slot& slot) { return slot.state == State::kNone; });
}

uint64_t HttpClient::answered(int status) const {
  return std::count_if(outcomes_.begin(), outcomes_.end(), [status](const Outcome& o) {
    return o.replies == 1 && o.status == status && !o.broken;
  });
}

std::string HttpClient::Dump() const {
  std::string text;
  for (const Slot& slot : slots_) {
    if (slot.state == State::kNone) continue;
    AppendTo(&text, "state ", slot.state, ", ", slot.waiting.size(), " asked, ", slot.left,
             " to ask, ready at ", slot.ready_at.nanos() / 1000, " us\n");
  }
  return text;
}

uint64_t HttpClient::broken() const {
  return std::count_if(outcomes_.begin(), outcomes_.end(),
                       [](const Outcome& o) { return o.broken; });
}

}  // namespace meltemi::sim
