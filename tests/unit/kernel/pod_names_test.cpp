// SPDX-License-Identifier: Apache-2.0
#include "kernel/pod_names.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace tcpdwell {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class PodNamesTest : public testing::Test {
 protected:
  PodNamesTest() {
    std::string name = (fs::temp_directory_path() / "pod_names_test.XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  ~PodNamesTest() override { fs::remove_all(directory_); }
  void make(const std::string& name) { std::ofstream(directory_ / name) << ""; }

  fs::path directory_;
  const std::string one_ = std::string(64, '1'), two_ = std::string(64, '2');
};

TEST_F(PodNamesTest, NamespacePodContainer) {
  make("web-7d9f-x2x_shop_nginx-proxy-" + one_ + ".log");
  make("no-underscores-" + two_ + ".log");
  make("readme");
  make(".log");
  PodNames names(directory_);
  const PodNames::Clock::time_point now{};
  EXPECT_EQ(names.name_of(one_, now), "shop/web-7d9f-x2x/nginx-proxy");
  EXPECT_EQ(names.name_of(two_, now), "");
}

TEST_F(PodNamesTest, DirectoryIsReadAgainAfterAWhile) {
  PodNames names(directory_);
  const PodNames::Clock::time_point now{};
  EXPECT_EQ(names.name_of(one_, now), "");
  make("web_shop_nginx-" + one_ + ".log");
  EXPECT_EQ(names.name_of(one_, now + 4s), "");
  EXPECT_EQ(names.name_of(one_, now + 5s), "shop/web/nginx");
}

TEST_F(PodNamesTest, NoKubernetes) {
  PodNames names((directory_ / "absent").string());
  EXPECT_EQ(names.name_of(one_, {}), "");
}

}  // namespace
}  // namespace tcpdwell
