#include "l7/http/reject.h"

#include <cstddef>

namespace meltemi::http {
namespace {

struct Row {
  uint16_t status;
  std::string_view details;
};
constexpr Row kRows[] = {{0, ""},
#define MELTEMI_REJECT_ROW(id, status, details) {status, details},
                         MELTEMI_HTTP_REJECTS(MELTEMI_REJECT_ROW)
#undef MELTEMI_REJECT_ROW
};

}  // namespace

uint16_t StatusOf(Reject reject) { return kRows[static_cast<size_t>(reject)].status; }
std::string_view DetailsOf(Reject reject) { return kRows[static_cast<size_t>(reject)].details; }

}  // namespace meltemi::http
