#include "bench/budget/meter.h"

#include <cerrno>
#include <cstddef>

namespace meltemi::budget {

namespace {

constinit Meter the_meter;
constinit uint32_t the_epoch = 1;  // grows with every reset

}  // namespace

Meter& TheMeter() { return the_meter; }
void ResetMeter() {
  the_meter = {};
  ++the_epoch;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

bool MeterWorks() { return false; }

#else

bool MeterWorks() { return true; }

namespace {

// Stands before every block: glibc does not say how much was asked for.
struct Header {
  uint32_t offset;  // from the start of glibc's block
  uint32_t epoch;   // in which it was taken; 0: not by measured code
  size_t bytes;
};
static_assert(sizeof(Header) == 16);
constexpr size_t kAlignment = 16;

Header* HeaderOf(void* block) { return static_cast<Header*>(block) - 1; }

// What glibc would have used: 8 bytes of its own, multiples of 16, at least 32.
int64_t Rounded(size_t bytes) {
  return bytes <= 24 ? 32 : static_cast<int64_t>((bytes + 8 + 15) & ~size_t{15});
}

void* Took(void* memory, size_t offset, size_t bytes) {
  if (memory == nullptr) return nullptr;
  void* block = static_cast<char*>(memory) + offset;
  Meter& meter = the_meter;
  *HeaderOf(block) = {static_cast<uint32_t>(offset), meter.running ? the_epoch : 0, bytes};
  if (meter.running) {
    ++meter.allocations;
    meter.live_bytes += Rounded(bytes);
  }
  return block;
}

void Move(void* to, const void* from, size_t bytes) {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

}  // namespace

// glibc's own names of what is replaced, and the replacements. `rep movsb` and no loop: the
// compiler would make a call of memcpy of it.
extern "C" {

void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void* memory);

void* malloc(size_t bytes) { return Took(__libc_malloc(bytes + kAlignment), kAlignment, bytes); }
void* calloc(size_t count, size_t bytes) {
  const size_t all = count * bytes;  // of whole objects of this program: it does not overflow
  return Took(__libc_calloc(1, all + kAlignment), kAlignment, all);
}
void* memalign(size_t alignment, size_t bytes) {
  const size_t offset = alignment < kAlignment ? kAlignment : alignment;
  return Took(__libc_memalign(offset, bytes + offset), offset, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void** memory, size_t alignment, size_t bytes) {
  *memory = memalign(alignment, bytes);
  return *memory == nullptr ? ENOMEM : 0;
}
void free(void* block) {
  if (block == nullptr) return;
  const Header header = *HeaderOf(block);
  if (header.epoch == the_epoch) the_meter.live_bytes -= Rounded(header.bytes);
  __libc_free(static_cast<char*>(block) - header.offset);
}
void* realloc(void* block, size_t bytes) {
  void* larger = malloc(bytes);
  if (block == nullptr || larger == nullptr) return larger;
  const size_t had = HeaderOf(block)->bytes;
  Move(larger, block, had < bytes ? had : bytes);
  free(block);
  return larger;
}

void* memcpy(void* to, const void* from, size_t bytes) {
  if (the_meter.running) the_meter.copied_bytes += bytes;
  Move(to, from, bytes);
  return to;
}

void* memmove(void* to, const void* from, size_t bytes) {
  auto* target = static_cast<char*>(to);
  auto* source = static_cast<const char*>(from);
  if (target <= source || target >= source + bytes) return memcpy(to, from, bytes);
  if (the_meter.running) the_meter.copied_bytes += bytes;
  target += bytes - 1;
  source += bytes - 1;
  asm volatile("std\n\trep movsb\n\tcld" : "+D"(target), "+S"(source), "+c"(bytes) : : "memory");
  return to;
}

void* __memcpy_chk(void* to, const void* from, size_t bytes, size_t) {
  return memcpy(to, from, bytes);
}
void* __memmove_chk(void* to, const void* from, size_t bytes, size_t) {
  return memmove(to, from, bytes);
}

}  // extern "C"

#endif

}  // namespace meltemi::budget
