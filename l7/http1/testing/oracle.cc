#include <llhttp.h>

#include <algorithm>
#include <utility>

#include "l7/base/check.h"
#include "l7/http1/testing/streams.h"

namespace meltemi::http1 {
namespace {

struct Run {
  Side side = Side::kRequests;
  Outcome outcome;
  bool in_value = false;   // the last header callback gave a part of a value
  bool head_done = false;  // later fields are trailers

  Message& message() { return outcome.messages.back(); }
  Fields& fields() { return head_done ? message().trailers : message().headers; }
};

Run& Of(llhttp_t* parser) { return *static_cast<Run*>(parser->data); }

int OnBegin(llhttp_t* parser) {
  Run& run = Of(parser);
  run.outcome.messages.emplace_back();
  run.in_value = true;
  run.head_done = false;
  return 0;
}
int OnMethod(llhttp_t* parser, const char* at, size_t n) {
  Of(parser).message().method.append(at, n);
  return 0;
}
int OnUrl(llhttp_t* parser, const char* at, size_t n) {
  Of(parser).message().target.append(at, n);
  return 0;
}
int OnStatus(llhttp_t* parser, const char* at, size_t n) {
  Of(parser).message().reason.append(at, n);
  return 0;
}
int OnField(llhttp_t* parser, const char* at, size_t n) {
  Run& run = Of(parser);
  if (run.in_value) run.fields().emplace_back();
  run.in_value = false;
  run.fields().back().first.append(at, n);
  return 0;
}
int OnValue(llhttp_t* parser, const char* at, size_t n) {
  Of(parser).in_value = true;
  Of(parser).fields().back().second.append(at, n);
  return 0;
}
int OnFieldEnd(llhttp_t* parser) {
  Of(parser).in_value = true;
  return 0;
}
int OnHeadersComplete(llhttp_t* parser) {
  Run& run = Of(parser);
  run.head_done = true;
  run.in_value = true;
  run.message().minor = parser->http_minor;
  run.message().status = parser->status_code;
  run.message().keep_alive = llhttp_should_keep_alive(parser) != 0;
  if (run.side == Side::kRequests) {
    run.message().status = 0;
  }
  return run.side == Side::kResponsesToHead ? 1 : 0;
}
int OnBody(llhttp_t* parser, const char* at, size_t n) {
  Of(parser).message().body.append(at, n);
  return 0;
}
int OnComplete(llhttp_t* parser) {
  Run& run = Of(parser);
  run.message().complete = true;
  // Only now does it know of HEAD. (Else not here: it has let trailers change its mind.)
  if (run.side == Side::kResponsesToHead) {
    run.message().keep_alive = llhttp_should_keep_alive(parser) != 0;
  }
  return run.message().keep_alive ? 0 : HPE_PAUSED;
}

void Normalize(Fields* fields) {
  for (auto& [name, value] : *fields) {
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.erase(0, 1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.pop_back();
  }
}

}  // namespace

Outcome RunOracle(Side side, std::string_view bytes) {
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  settings.on_message_begin = OnBegin;
  settings.on_method = OnMethod;
  settings.on_url = OnUrl;
  settings.on_status = OnStatus;
  settings.on_header_field = OnField;
  settings.on_header_value = OnValue;
  settings.on_header_value_complete = OnFieldEnd;
  settings.on_headers_complete = OnHeadersComplete;
  settings.on_body = OnBody;
  settings.on_message_complete = OnComplete;
  Run run{.side = side};
  llhttp_t parser;
  llhttp_init(&parser, side == Side::kRequests ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
  parser.data = &run;
  llhttp_errno_t error = llhttp_execute(&parser, bytes.data(), bytes.size());
  if (error == HPE_OK && side != Side::kRequests) error = llhttp_finish(&parser);
  Outcome& outcome = run.outcome;
  outcome.upgrade = error == HPE_PAUSED_UPGRADE || error == HPE_PAUSED_H2_UPGRADE;
  outcome.error =
      error != HPE_OK && error != HPE_PAUSED && error != HPE_CLOSED_CONNECTION && !outcome.upgrade;
  // A body cut by the end of the stream is no error of its bytes: the message is just not complete.
  if (error == HPE_INVALID_EOF_STATE) outcome.error = false;
  if (outcome.error) outcome.oracle_error = llhttp_errno_name(error);
  for (Message& m : outcome.messages) {
    Normalize(&m.headers);
    Normalize(&m.trailers);
  }
  // A message whose head is not complete is no message yet.
  if (!outcome.messages.empty() && !run.head_done) {
    outcome.unfinished = std::move(outcome.messages.back());
    outcome.messages.pop_back();
  }
  return outcome;
}

}  // namespace meltemi::http1
