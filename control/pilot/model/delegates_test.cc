// Goal: rules that delegate have the other's routes, and what cannot be merged is refused by name
// or left out. Method: rules as text, the model's routes and problems.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "control/pilot/model/testing/built.h"

namespace meltemi::control::pilot::model {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Merged {
  std::vector<std::string> matches;  // "name uri" each
  std::vector<std::string> problems;
};

// One route that delegates, and the rule it delegates to.
Merged Merge(const std::string& root_match, const std::string& leaf) {
  const std::string text = absl::StrCat(R"(
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, clusterIP: 10.96.0.1, ports: [{name: http, port: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root}
spec: {hosts: [reviews], http: [{match: [)",
                                        root_match, R"(], delegate: {name: leaf}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: leaf}
spec: {)",
                                        leaf, "}\n");
  Merged out;
  const auto [objects, model, problems] = Build(text);
  out.problems = problems;
  if (!model.has_value()) return out;
  for (const HttpRoute& route :
       model->VirtualServiceFor("reviews.default.svc.cluster.local")->http) {
    for (const HttpMatch& match : route.match) {
      out.matches.push_back(absl::StrCat(match.name, " ", match.uri ? match.uri->value : "any"));
      for (const auto& [name, value] : match.source.labels) {
        absl::StrAppend(&out.matches.back(), " ", match.source.ns, "/", name, "=", value);
      }
    }
  }
  return out;
}

std::vector<std::string> Both(const std::string& root, const std::string& leaf) {
  const Merged merged =
      Merge(root, absl::StrCat("http: [{match: [", leaf, "], redirect: {uri: /x}}]"));
  EXPECT_THAT(merged.problems, IsEmpty());
  return merged.matches;
}

TEST(Delegates, TheNarrowerMatchHolds) {
  EXPECT_THAT(Both("", "{uri: {prefix: /a}}"), ElementsAre(" /a"));
  EXPECT_THAT(Both("{name: r, uri: {prefix: /a}}", ""), ElementsAre("r /a"));
  EXPECT_THAT(Both("{name: r, uri: {prefix: /a}}", "{name: l, uri: {prefix: /a/b}}"),
              ElementsAre("r-l /a/b"));
  EXPECT_THAT(Both("{uri: {prefix: /a}}", "{uri: {exact: /ab}}"), ElementsAre(" /ab"));
  EXPECT_THAT(Both("{uri: {exact: /a}}", "{uri: {exact: /a}}"), ElementsAre(" /a"));
  EXPECT_THAT(Both("{uri: {regex: /a.*}}", "{port: 9080}"), ElementsAre(" /a.*"));
  EXPECT_THAT(Both("{uri: {prefix: /a}, ignoreUriCase: true}", "{port: 9080}"), ElementsAre(" /a"));
  EXPECT_THAT(Both("{name: r, sourceLabels: {app: a}, sourceNamespace: n}",
                   "{name: l, sourceLabels: {app: a, zone: c}}"),
              ElementsAre("r-l any n/app=a n/zone=c"));
  EXPECT_THAT(Both("{uri: {prefix: /a}}, {uri: {prefix: /b}}",
                   "{uri: {prefix: /a/1}}, {uri: {prefix: /b/1}}"),
              ElementsAre(" /a/1", " /b/1"));
}

TEST(Delegates, WhatNoRequestMatchesIsLeftOut) {
  const char* const rows[][2] = {
      {"{uri: {prefix: /a/b}}", "{uri: {prefix: /a}}"},
      {"{uri: {exact: /a}}", "{uri: {prefix: /a}}"},
      {"{uri: {exact: /a}}", "{uri: {exact: /b}}"},
      {"{uri: {prefix: /a}}", "{uri: {regex: /a.*}}"},
      {"{uri: {regex: /a.*}}", "{uri: {prefix: /a}}"},
      {"{uri: {prefix: /a}, ignoreUriCase: true}", "{uri: {prefix: /a}}"},
      {"{method: {exact: GET}}", "{method: {exact: PUT}}"},
      {"{headers: {x: {exact: a}}}", "{headers: {x: {exact: b}}}"},
      {"{queryParams: {x: {exact: a}}}", "{queryParams: {x: {exact: b}}}"},
      {"{withoutHeaders: {x: {exact: a}}}", "{withoutHeaders: {x: {exact: b}}}"},
      {"{port: 9080}", "{port: 9081}"},
      {"{gateways: [mesh]}", "{gateways: [other]}"},
      {"{sourceLabels: {app: a}}", "{sourceLabels: {app: b, zone: c}}"},
      {"{sourceNamespace: a}", "{sourceNamespace: b}"},
  };
  for (const auto& row : rows) {
    EXPECT_THAT(Both(row[0], row[1]), IsEmpty()) << row[0] << " " << row[1];
  }
}

TEST(Delegates, ARuleWithoutHostsHasHttpRoutesOnly) {
  const std::string redirect = "http: [{redirect: {uri: /x}}]";
  EXPECT_THAT(Merge("", absl::StrCat("gateways: [mesh], ", redirect)).problems,
              ElementsAre("f.yaml: VirtualService default/leaf: spec.hosts: required: only http "
                          "routes can be delegated to"));
  EXPECT_THAT(Merge("", "http: [{delegate: {name: leaf}}]").problems,
              ElementsAre("f.yaml: VirtualService default/leaf: spec.http[0].delegate: a rule "
                          "without hosts cannot delegate further"));
}

// What is wrong with a route is said of the rule that uses it, with the place in the other.
TEST(Delegates, ProblemsNameBothPlaces) {
  EXPECT_THAT(Merge("", "http: [{route: [{destination: {host: nobody}}]}]").problems,
              ElementsAre("f.yaml: VirtualService default/root: spec.http[0].delegate "
                          "default/leaf: spec.http[0].route[0].destination.host: no Service or "
                          "ServiceEntry has host \"nobody.default.svc.cluster.local\""));
}

}  // namespace
}  // namespace meltemi::control::pilot::model
