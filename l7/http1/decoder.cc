#include "l7/http1/decoder.h"

#include <algorithm>
#include <cstring>

#include "l7/http/validate.h"
#include "l7/http1/scan.h"

namespace meltemi::http1 {
namespace {

using http::Reject;

// A head that cannot become valid: a control character that no head holds. So that a TLS hello or
// binary rubbish on a plaintext port is refused at once and not at the size limit.
bool Hopeless(std::string_view bytes) {
  return std::any_of(bytes.begin(), bytes.end(), [](char ch) {
    const auto c = static_cast<uint8_t>(ch);
    return c < 0x20 && c != '\t' && c != '\r' && c != '\n';
  });
}

void SkipEmptyLine(Chain* in) {
  // RFC 9112 2.2: a server should ignore at least one empty line before the request line.
  while (in->size() >= 2) {
    char two[2];
    in->CopyTo(0, 2, reinterpret_cast<uint8_t*>(two));
    if (two[0] != '\r' || two[1] != '\n') return;
    in->RemovePrefix(2);
  }
}

}  // namespace

HeadReader::Result HeadReader::Read(Chain* in, BufferPool* pool, const HeadLimits& limits,
                                    Head* out) {
  if (in->size() <= scanned_) return Result::kNeedMore;
  const size_t look = std::min<size_t>(in->size(), limits.header_bytes_max + 4);
  const Slice& first = in->front();
  // The common case: the head lies whole in the first slice.
  auto* begin = reinterpret_cast<char*>(const_cast<uint8_t*>(first.data()));
  const size_t in_first = std::min<size_t>(first.size(), look);
  const size_t from = scanned_ > 3 ? scanned_ - 3 : 0;
  char* end = from < in_first ? FindHeadEnd(begin + from, begin + in_first) : nullptr;
  if (end != nullptr) {
    *out = Head{.begin = begin, .end = end, .pin = first.Sub(0, end - begin), .heap = {}};
    in->RemovePrefix(end - begin);
    scanned_ = 0;
    return Result::kComplete;
  }
  if (in->size() > first.size()) {  // it spans slices: gather
    const bool fits = look <= pool->allocation_max();
    Slice gathered = fits ? pool->Allocate(static_cast<uint32_t>(look)) : Slice();
    if (fits && gathered.empty()) return Fail(Reject::kNoMemory);
    std::string heap(fits ? 0 : look, 0);
    begin = fits ? reinterpret_cast<char*>(gathered.mutable_data()) : heap.data();
    in->CopyTo(0, look, reinterpret_cast<uint8_t*>(begin));
    end = FindHeadEnd(begin + from, begin + look);
    if (end != nullptr) {
      const size_t size = end - begin;
      in->RemovePrefix(size);
      scanned_ = 0;
      *out = Head{.begin = begin, .end = end, .pin = std::move(gathered), .heap = {}};
      if (!fits) {
        out->heap = std::move(heap);
        out->begin = out->heap.data();
        out->end = out->begin + size;
      }
      return Result::kComplete;
    }
    if (Hopeless({begin + scanned_, look - scanned_})) return Fail(Reject::kBadHeaderValue);
  } else if (Hopeless({begin + scanned_, in_first - scanned_})) {
    return Fail(Reject::kBadHeaderValue);
  }
  if (in->size() > limits.header_bytes_max) return Fail(Reject::kHeadersTooLarge);
  scanned_ = in->size();
  return Result::kNeedMore;
}

Event RequestDecoder::Next(Chain* in) {
  if (state_ == State::kError) return Event::kError;
  if (state_ == State::kHead) return NextHead(in);
  if (!body_done_) {
    body_.Clear();
    const BodyDecoder::Result result = decoder_.Decode(in, &body_);
    if (result == BodyDecoder::Result::kError) return Fail(decoder_.reject());
    body_done_ = result == BodyDecoder::Result::kDone;
    if (!body_.empty()) return Event::kBody;
    if (!body_done_) return Event::kNeedMore;
  }
  state_ = State::kHead;
  return Event::kEnd;
}

Event RequestDecoder::NextHead(Chain* in) {
  if (!reader_.begun()) SkipEmptyLine(in);
  HeadReader::Head raw;
  switch (reader_.Read(in, pool_, limits_, &raw)) {
    case HeadReader::Result::kNeedMore:
      return Event::kNeedMore;
    case HeadReader::Result::kError:
      return Fail(reader_.reject());
    case HeadReader::Result::kComplete:
      break;
  }
  head_.emplace(pool_);
  char* begin = raw.begin;
  if (!raw.heap.empty()) {
    const size_t size = raw.end - raw.begin;
    heap_head_ = std::move(raw.heap);
    begin = heap_head_.data();
    raw.end = begin + size;
  } else {
    head_->headers.Pin(std::move(raw.pin));
  }
  if (const Reject r = ParseRequestHead(begin, raw.end, limits_, &*head_); r != Reject::kNone) {
    return Fail(r);
  }
  if (const Reject r = http::ValidateRequest(&*head_); r != Reject::kNone) return Fail(r);
  decoder_.Begin(head_->framing, head_->content_length);
  body_done_ = false;
  state_ = State::kBody;
  return Event::kHead;
}

void ResponseDecoder::Expect(std::string_view request_method) {
  head_request_ = request_method == "HEAD";
  state_ = State::kHead;
}

Event ResponseDecoder::Next(Chain* in) {
  if (state_ == State::kError) return Event::kError;
  if (state_ == State::kHead) return NextHead(in);
  if (!body_done_) {
    body_.Clear();
    const BodyDecoder::Result result = decoder_.Decode(in, &body_);
    if (result == BodyDecoder::Result::kError) return Fail(decoder_.reject());
    body_done_ = result == BodyDecoder::Result::kDone;
    if (!body_.empty()) return Event::kBody;
    if (!body_done_) return Event::kNeedMore;
  }
  state_ = State::kHead;
  return Event::kEnd;
}

Event ResponseDecoder::NextHead(Chain* in) {
  HeadReader::Head raw;
  switch (reader_.Read(in, pool_, limits_, &raw)) {
    case HeadReader::Result::kNeedMore:
      return Event::kNeedMore;
    case HeadReader::Result::kError:
      return Fail(reader_.reject());
    case HeadReader::Result::kComplete:
      break;
  }
  head_.emplace(pool_);
  char* begin = raw.begin;
  if (!raw.heap.empty()) {
    const size_t size = raw.end - raw.begin;
    heap_head_ = std::move(raw.heap);
    begin = heap_head_.data();
    raw.end = begin + size;
  } else {
    head_->headers.Pin(std::move(raw.pin));
  }
  if (const Reject r = ParseResponseHead(begin, raw.end, limits_, &*head_); r != Reject::kNone) {
    return Fail(r);
  }
  const std::string_view method = head_request_ ? "HEAD" : "GET";
  if (const Reject r = http::ValidateResponse(method, &*head_); r != Reject::kNone) return Fail(r);
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
