#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "ca/authn/node_binding.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

constexpr char kPods[] = R"(
kind: Service
metadata: {name: reviews}
---
kind: Pod
metadata: {name: reviews-1, namespace: shop, uid: u1}
spec: {nodeName: node-a, serviceAccountName: reviews}
status: {phase: Running, podIP: 10.0.0.1}
---
kind: Pod
metadata: {name: done-1, namespace: shop}
spec: {nodeName: node-a, serviceAccountName: done}
status: {phase: Succeeded}
---
kind: Pod
metadata: {name: unscheduled}
spec: {serviceAccountName: unscheduled}
)";

TEST(AddPods, TellsWhoRunsWhere) {
  PodTable table;
  ASSERT_TRUE(AddPods(kPods, &table).ok());
  EXPECT_EQ(
      table.running,
      (std::set<std::tuple<std::string, std::string, std::string>>{{"node-a", "shop", "reviews"}}));
  ASSERT_TRUE(AddPods(R"({"kind":"PodList","items":[{"kind":"Pod","metadata":{"name":"x"},
      "spec":{"nodeName":"node-b"}}]})",
                      &table)
                  .ok());
  EXPECT_TRUE(table.running.contains({"node-b", "default", "default"}));
}

TEST(AddPods, OddDocumentsAreNoPods) {
  for (const char* text : {"", "[]", "1", "kind: Pod", "kind: [Pod]", "kind: Pod\nspec: 1\n",
                           "kind: Pod\nmetadata: []\nspec: {nodeName: {a: b}}"}) {
    PodTable table;
    EXPECT_TRUE(AddPods(text, &table).ok()) << text;
    EXPECT_TRUE(table.running.empty()) << text;
  }
  PodTable table;
  EXPECT_FALSE(AddPods("kind: {", &table).ok());
}

class PodFilesTest : public ::testing::Test {
 protected:
  PodFilesTest() {
    const char* base = getenv("TEST_TMPDIR");
    folder_ = Cat(base == nullptr ? "/tmp" : base, "/pods.XXXXXX");
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
  }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }
  std::string folder_;
};

TEST_F(PodFilesTest, FollowsTheFolder) {
  PodFiles pods(folder_);
  EXPECT_TRUE(pods.Refresh().ok());
  EXPECT_FALSE(pods.Runs("node-a", "shop", "reviews"));
  Write("pods.yaml", kPods);
  EXPECT_TRUE(pods.Runs("node-a", "shop", "reviews"));  // without a Refresh: it is newer
  EXPECT_FALSE(pods.Runs("node-b", "shop", "reviews"));
  EXPECT_FALSE(pods.Runs("node-a", "other", "reviews"));
  EXPECT_FALSE(pods.Runs("node-a", "shop", "done"));
  EXPECT_EQ(pods.NodeOfPod("shop", "reviews-1", ""), "node-a");
  EXPECT_EQ(pods.NodeOfPod("shop", "reviews-1", "u1"), "node-a");
  EXPECT_EQ(pods.NodeOfPod("shop", "reviews-1", "u2"), "");
  EXPECT_EQ(pods.NodeOfPod("shop", "reviews-2", ""), "");
  ASSERT_EQ(unlink((folder_ + "/pods.yaml").c_str()), 0);
  EXPECT_TRUE(pods.Refresh().ok());
  EXPECT_FALSE(pods.Runs("node-a", "shop", "reviews"));
}

TEST_F(PodFilesTest, AFolderThatIsGoneIsToldAndKeepsTheLastGoodTable) {
  Write("pods.yaml", kPods);
  PodFiles pods(folder_);
  ASSERT_TRUE(pods.Refresh().ok());
  ASSERT_EQ(rename(folder_.c_str(), (folder_ + ".away").c_str()), 0);
  const absl::Status refreshed = pods.Refresh();
  EXPECT_EQ(refreshed.code(), absl::StatusCode::kNotFound) << refreshed;
  EXPECT_TRUE(pods.Runs("node-a", "shop", "reviews"));
}

TEST_F(PodFilesTest, ABrokenFileKeepsTheLastGoodTable) {
  Write("pods.yaml", kPods);
  PodFiles pods(folder_);
  ASSERT_TRUE(pods.Refresh().ok());
  Write("broken.yaml", "kind: {");
  const absl::Status refreshed = pods.Refresh();
  EXPECT_FALSE(refreshed.ok());
  EXPECT_NE(refreshed.message().find("broken.yaml"), absl::string_view::npos);
  EXPECT_TRUE(pods.Runs("node-a", "shop", "reviews"));
  Write(".hidden.yaml", "kind: {");
  Write("readme.txt", "kind: {");
  ASSERT_EQ(unlink((folder_ + "/broken.yaml").c_str()), 0);
  EXPECT_TRUE(pods.Refresh().ok());
}

}  // namespace
}  // namespace meltemi::ca
