#include "l7/http1/decoder.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "l7/http/validate.h"
#include "l7/http1/scan.h"

namespace meltemi::http1 {
namespace {

using http::Reject;

constexpr uint32_t kGatherBytes = 2048;  // the pool's small piece

// RFC 9112 2.2: empty lines before the request line are ignored. False: the chain ends inside one.
bool SkipEmptyLines(Chain* in) {
  while (!in->empty() && in->front().data()[0] == '\r') {
    if (in->size() == 1) return false;
    char two[2];
    in->CopyTo(0, 2, reinterpret_cast<uint8_t*>(two));
    if (two[1] != '\n') return true;
    in->RemovePrefix(2);
  }
  return true;
}

Reject RejectOf(HeadScan::Found found) {
  switch (found) {
    case HeadScan::Found::kControl:
      return Reject::kBadHeaderValue;
    case HeadScan::Found::kBareLineEnd:
      return Reject::kBareLineEnd;
    case HeadScan::Found::kNothing:
    case HeadScan::Found::kEnd:
      break;
  }
  return Reject::kNone;
}

// What the parser refuses in a whole head, HeadScan may have refused already in a part of it: its
// word comes first here too, so that the reason does not depend on how the bytes were split.
Reject SameReason(const char* begin, const char* end, Reject parsed) {
  HeadScan scan;
  for (const char* p = begin; p < end; ++p) {
    if (const Reject r = RejectOf(scan.Step(*p)); r != Reject::kNone) return r;
  }
  return parsed;
}

// The raw head's memory goes to the block whose views it holds.
void Keep(RawHead* raw, http::HeaderBlock* headers) {
  if (raw->heap != nullptr) return headers->PinHeap(std::move(raw->heap));
  headers->Pin(std::move(raw->pin));
}

}  // namespace

HeadReader::Result HeadReader::Read(Chain* in, BufferPool* pool, const HeadLimits& limits,
                                    RawHead* out) {
  if (in->empty()) return Result::kNeedMore;
  if (size_ > 0) return Gather(in, pool, limits, out);
  // The common case: the head lies whole in the first slice.
  const Slice& first = in->front();
  auto* const begin = reinterpret_cast<char*>(const_cast<uint8_t*>(first.data()));
  const uint32_t look = std::min(first.size(), limits.header_bytes_max);
  char* const end = FindHeadEnd(begin, begin + look);
  if (end == nullptr) return Gather(in, pool, limits, out);
  out->begin = begin;
  out->end = end;
  out->pin = first.Sub(0, static_cast<uint32_t>(end - begin));
  in->RemovePrefix(end - begin);
  return Result::kComplete;
}

HeadReader::Result HeadReader::Gather(Chain* in, BufferPool* pool, const HeadLimits& limits,
                                      RawHead* out) {
  while (!in->empty()) {
    if (size_ == limits.header_bytes_max) return Fail(Reject::kHeadersTooLarge);
    if (size_ == room_ && !Grow(pool, limits.header_bytes_max)) return Fail(Reject::kNoMemory);
    const std::string_view bytes = in->front().view();
    const size_t part = std::min<size_t>(bytes.size(), room_ - size_);
    HeadScan::Found found = HeadScan::Found::kNothing;
    size_t used = 0;
    while (used < part && found == HeadScan::Found::kNothing) found = scan_.Step(bytes[used++]);
    if (const Reject r = RejectOf(found); r != Reject::kNone) return Fail(r);
    std::memcpy(this->bytes() + size_, bytes.data(), used);
    size_ += static_cast<uint32_t>(used);
    in->RemovePrefix(used);
    if (found != HeadScan::Found::kEnd) continue;
    out->begin = this->bytes();
    out->end = out->begin + size_;
    out->pin = std::move(gathered_);
    out->heap = std::move(heap_);
    room_ = size_ = 0;
    scan_ = HeadScan();
    return Result::kComplete;
  }
  // Full without an end: the next byte would be one too many.
  return size_ == limits.header_bytes_max ? Fail(Reject::kHeadersTooLarge) : Result::kNeedMore;
}

// A small piece, then the pool's largest, then the heap: a head of more than 16 KB is rare, and its
// fields must be contiguous. The one place where L7 input may reach the heap.
bool HeadReader::Grow(BufferPool* pool, uint32_t size_max) {
  const uint32_t small = std::min({kGatherBytes, pool->allocation_max(), size_max});
  const uint32_t large = std::min(pool->allocation_max(), size_max);
  const uint32_t room = room_ < small ? small : room_ < large ? large : size_max;
  Slice slice;
  std::unique_ptr<char[]> heap;
  if (room <= pool->allocation_max()) {
    slice = pool->Allocate(room);
    if (slice.empty()) return false;
    if (size_ > 0) std::memcpy(slice.mutable_data(), bytes(), size_);
  } else {
    heap = std::make_unique<char[]>(room);
    std::memcpy(heap.get(), bytes(), size_);
  }
  gathered_ = std::move(slice);
  heap_ = std::move(heap);
  room_ = room;
  return true;
}

Event RequestDecoder::Next(Chain* in) {
  if (state_ == State::kError) return Event::kError;
  if (state_ == State::kHead) return NextHead(in);
  if (!body_done_) {
    body_.Clear();
    const BodyDecoder::Result result = decoder_.Decode(in, &body_);
    if (result == BodyDecoder::Result::kError) {
      const Event error = Fail(decoder_.reject());
      return body_.empty() ? error : Event::kBody;  // what came before the error goes first
    }
    body_done_ = result == BodyDecoder::Result::kDone;
    if (!body_.empty()) return Event::kBody;
    if (!body_done_) return Event::kNeedMore;
  }
  state_ = State::kHead;
  return Event::kEnd;
}

Event RequestDecoder::NextHead(Chain* in) {
  if (!reader_.begun() && !SkipEmptyLines(in)) return Event::kNeedMore;
  RawHead raw;
  switch (reader_.Read(in, pool_, limits_, &raw)) {
    case HeadReader::Result::kNeedMore:
      return Event::kNeedMore;
    case HeadReader::Result::kError:
      return Fail(reader_.reject());
    case HeadReader::Result::kComplete:
      break;
  }
  head_.emplace(pool_);
  Keep(&raw, &head_->headers);
  if (const Reject r = ParseRequestHead(raw.begin, raw.end, limits_, &*head_); r != Reject::kNone) {
    return Fail(SameReason(raw.begin, raw.end, r));
  }
  if (const Reject r = http::ValidateRequest(&*head_); r != Reject::kNone) return Fail(r);
  decoder_.Begin(head_->framing, head_->content_length);
  body_done_ = false;
  state_ = State::kBody;
  return Event::kHead;
}

void ResponseDecoder::Expect(std::string_view request_method, http::Asked asked) {
  head_request_ = request_method == "HEAD";
  asked_ = asked;
  state_ = State::kHead;
}

Event ResponseDecoder::Next(Chain* in) {
  if (state_ == State::kError) return Event::kError;
  if (state_ == State::kHead) return NextHead(in);
  if (!body_done_) {
    body_.Clear();
    const BodyDecoder::Result result = decoder_.Decode(in, &body_);
    if (result == BodyDecoder::Result::kError) {
      const Event error = Fail(decoder_.reject());
      return body_.empty() ? error : Event::kBody;  // what came before the error goes first
    }
    body_done_ = result == BodyDecoder::Result::kDone;
    if (!body_.empty()) return Event::kBody;
    if (!body_done_) return Event::kNeedMore;
  }
  state_ = State::kHead;
  return Event::kEnd;
}

Event ResponseDecoder::NextHead(Chain* in) {
  RawHead raw;
  switch (reader_.Read(in, pool_, limits_, &raw)) {
    case HeadReader::Result::kNeedMore:
      return Event::kNeedMore;
    case HeadReader::Result::kError:
      return Fail(reader_.reject());
    case HeadReader::Result::kComplete:
      break;
  }
  head_.emplace(pool_);
  Keep(&raw, &head_->headers);
  if (const Reject r = ParseResponseHead(raw.begin, raw.end, limits_, &*head_);
      r != Reject::kNone) {
    return Fail(SameReason(raw.begin, raw.end, r));
  }
  const std::string_view method = head_request_ ? "HEAD" : "GET";
  if (const Reject r = http::ValidateResponse(method, asked_, &*head_); r != Reject::kNone) {
    return Fail(r);
  }
  decoder_.Begin(head_->framing, head_->content_length);
  body_done_ = false;
  state_ = State::kBody;
  return Event::kHead;
}

bool ResponseDecoder::EndAtClose() {
  if (state_ != State::kBody || body_done_ || !decoder_.ends_at_close()) return false;
  body_done_ = true;
  state_ = State::kHead;
  return true;
}

}  // namespace meltemi::http1
