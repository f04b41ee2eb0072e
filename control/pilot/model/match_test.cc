// Goal: what a match asks of clients and addresses is checked where it stands. Method: YAML in,
// exact problem texts out.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "control/pilot/model/testing/built.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace meltemi::control::pilot::model {
namespace {

using testing::ElementsAre;

std::vector<std::string> ProblemsOf(const std::string& spec) {
  return Build(absl::StrCat(R"(
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, clusterIP: 10.96.0.1, ports: [{name: http, port: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v}
spec: {hosts: [reviews], )",
                            spec, "}\n"))
      .problems;
}

TEST(Match, WhoAndWhereAreCheckedWhereTheyStand) {
  const std::string to = "route: [{destination: {host: reviews}}]";
  const std::string where = "f.yaml: VirtualService default/v: spec.";
  EXPECT_THAT(ProblemsOf("tcp: [{match: [{destinationSubnets: [10.0.0.1, '::1', 10.0.0.0/33]}], " +
                         to + "}]"),
              ElementsAre(where + "tcp[0].match[0].destinationSubnets[2]: \"10.0.0.0/33\" is not "
                                  "an address or a subnet"));
  EXPECT_THAT(ProblemsOf("http: [{match: [{sourceLabels: {'': x}}], " + to + "}]"),
              ElementsAre(where + "http[0].match[0].sourceLabels: a label must not be empty"));
  EXPECT_THAT(ProblemsOf("http: [{match: [{sourceLabels: [a]}], " + to + "}]"),
              ElementsAre(where + "http[0].match[0].sourceLabels: must be a mapping, is a list"));
  EXPECT_THAT(ProblemsOf("tcp: [{match: [{sourceSubnet: 10.0.0.0/8}], " + to + "}]"),
              ElementsAre(where + "tcp[0].match[0].sourceSubnet: not supported yet"));
}

}  // namespace
}  // namespace meltemi::control::pilot::model
