#include "dataplane/tcp/testing/line_watch.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <array>

#include "l7/base/check.h"

namespace meltemi::tcp::testing {
namespace {

constexpr size_t kObjectsMax = 64;
constexpr size_t kPagesMax = 2 * kObjectsMax;
constexpr uintptr_t kPageBytes = 4096;
constexpr greg_t kSingleStep = 0x100;  // TF of EFLAGS

// What the handlers know: no heap, no locks. STYLE 18 has no other place for it.
struct State {
  bool in_use = false;
  size_t object_bytes = 0;
  size_t object_count = 0, page_count = 0;
  std::array<uintptr_t, kObjectsMax> objects;
  std::array<uint64_t, kObjectsMax> lines;
  std::array<uintptr_t, kPagesMax> pages;
  struct sigaction old_segv, old_trap;
};
State state;

void Protect(int protection) {
  for (size_t i = 0; i < state.page_count; ++i) {
    CHECK(mprotect(reinterpret_cast<void*>(state.pages[i]), kPageBytes, protection) == 0);
  }
}

bool Watched(uintptr_t address) {
  const uintptr_t page = address & ~(kPageBytes - 1);
  return std::find(state.pages.begin(), state.pages.begin() + state.page_count, page) !=
         state.pages.begin() + state.page_count;
}

void OnFault(int, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  if (!Watched(address)) {  // a fault of its own: it comes again and ends the test
    sigaction(SIGSEGV, &state.old_segv, nullptr);
    return;
  }
  for (size_t i = 0; i < state.object_count; ++i) {
    const uintptr_t offset = address - state.objects[i];
    if (offset < state.object_bytes)
      state.lines[i] |= uint64_t{1} << offset / LineWatch::kLineBytes;
  }
  Protect(PROT_READ | PROT_WRITE);
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] |= kSingleStep;
}

void OnStep(int, siginfo_t*, void* context) {
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~kSingleStep;
  Protect(PROT_NONE);
}

void Handle(int signal, void (*handler)(int, siginfo_t*, void*), struct sigaction* old) {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  CHECK(sigaction(signal, &action, old) == 0);
}

}  // namespace

LineWatch::LineWatch(std::vector<const void*> objects, size_t object_bytes) {
  CHECK(!state.in_use && objects.size() <= kObjectsMax && object_bytes <= kPageBytes);
  state = {.in_use = true, .object_bytes = object_bytes, .object_count = objects.size()};
  for (size_t i = 0; i < objects.size(); ++i) {
    const auto begin = reinterpret_cast<uintptr_t>(objects[i]);
    CHECK(begin % kLineBytes == 0);
    state.objects[i] = begin;
    for (const uintptr_t at : {begin, begin + object_bytes - 1}) {
      if (!Watched(at)) state.pages[state.page_count++] = at & ~(kPageBytes - 1);
    }
  }
}

LineWatch::~LineWatch() { state.in_use = false; }

void LineWatch::Start() {
  Handle(SIGSEGV, OnFault, &state.old_segv);
  Handle(SIGTRAP, OnStep, &state.old_trap);
  Protect(PROT_NONE);
}

void LineWatch::Stop() {
  Protect(PROT_READ | PROT_WRITE);
  sigaction(SIGSEGV, &state.old_segv, nullptr);
  sigaction(SIGTRAP, &state.old_trap, nullptr);
}

uint64_t LineWatch::lines(size_t index) const { return state.lines[index]; }
void LineWatch::Forget() { state.lines.fill(0); }

}  // namespace meltemi::tcp::testing
