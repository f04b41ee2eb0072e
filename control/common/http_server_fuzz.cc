// Goal: whatever a client of the operator's pages sends, the reply has a status, and the pages are
// asked for the path of a GET only. Method: the bytes as what came before the server answered.
#include <cstdint>
#include <string>

#include "control/common/http_server.h"
#include "l7/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace common = meltemi::control::common;
  const std::string request(reinterpret_cast<const char*>(data), size);
  int asked = 0;
  const common::HttpReply reply = common::AnswerHttp(request, [&](const std::string& path) {
    ++asked;
    CHECK(request.starts_with("GET " + path + " "));
    CHECK(path.starts_with("/") && path.find(' ') == std::string::npos);
    CHECK(path.find("\r\n") == std::string::npos);
    return common::HttpReply{.status = 200, .body = "page"};
  });
  CHECK(asked == (reply.status == 200 ? 1 : 0));
  CHECK(reply.status == 200 || reply.status == 400 || reply.status == 405);
  CHECK(!reply.body.empty());
  return 0;
}
