// SPDX-License-Identifier: Apache-2.0
#include "export/services.h"

#include <gtest/gtest.h>

#include <map>

namespace tcpdwell::exporter {
namespace {

void round(Services& services, const std::map<std::string, int>& connections,
           const std::map<std::string, int>& stuck = {}) {
  services.begin();
  for (const auto& [name, count] : connections)
    for (int i = 0; i < count; ++i) ++services.at(name).now[index(State::Established)];
  for (const auto& [name, count] : stuck)
    services.at(name).stuck += static_cast<std::uint32_t>(count);
  services.end();
}

// "a 3, other 2"
std::string shown(const Services& services) {
  std::map<std::string_view, std::uint64_t> sorted;
  services.for_each([&](std::string_view label, const Service& service) {
    EXPECT_FALSE(sorted.contains(label)) << label << " twice: two series with the same labels";
    sorted[label] = service.connections();
  });
  std::string text;
  for (const auto& [label, count] : sorted)
    text += (text.empty() ? "" : ", ") + std::string(label) + ' ' + std::to_string(count);
  return text;
}

TEST(Services, PodsAreNamedOnceTheirNameIsKnown) {
  const std::string id(64, 'a'), path = "/kubepods/burstable/pod12-34/" + id;
  std::string known;
  int asked = 0;
  Services services(5, [&](std::string_view wanted) {
    EXPECT_EQ(wanted, id);
    ++asked;
    return known;
  });
  EXPECT_EQ(services.name_of(path, "web"), "kubepods pod 12-34 container aaaaaaaaaaaa");
  EXPECT_EQ(services.name_of(path, "web"), "kubepods pod 12-34 container aaaaaaaaaaaa");
  EXPECT_EQ(asked, 1) << "once a round";
  known = "shop/web-0/nginx";
  services.begin();
  EXPECT_EQ(services.name_of(path, "web"), "shop/web-0/nginx");
  services.begin();
  EXPECT_EQ(services.name_of(path, "web"), "shop/web-0/nginx");
  EXPECT_EQ(asked, 2) << "a known name is kept";
  EXPECT_EQ(services.name_of("/system.slice/nginx.service", "nginx"), "nginx.service");
}

TEST(Services, UnitThenContainerThenProcess) {
  Services services(5);
  EXPECT_EQ(services.name_of("/system.slice/nginx.service", "nginx"), "nginx.service");
  EXPECT_EQ(services.name_of("/", "python3"), "python3");
  EXPECT_EQ(services.name_of("", "python3"), "python3");
  EXPECT_EQ(services.name_of("/user.slice", ""), "unknown");
}

TEST(Services, NamesTheLargest) {
  Services services(2);
  round(services, {{"a", 5}, {"b", 3}, {"c", 2}, {"d", 1}});
  EXPECT_EQ(shown(services), "a 5, b 3, other 3");
  EXPECT_EQ(services.label_of("a"), "a");
  EXPECT_EQ(services.label_of("d"), "other");
  EXPECT_EQ(services.label_of("never seen"), "other");
}

TEST(Services, KeepsNameUntilAnotherIsTwiceAsLarge) {
  Services services(1);
  round(services, {{"a", 5}, {"b", 3}});
  round(services, {{"a", 5}, {"b", 9}});
  EXPECT_EQ(shown(services), "a 5, other 9");
  round(services, {{"a", 5}, {"b", 11}});
  EXPECT_EQ(shown(services), "b 11, other 5");
}

TEST(Services, StuckSocketsComeFirst) {
  Services services(1);
  round(services, {{"large", 1000}, {"leaky", 1}}, {{"leaky", 1}});
  EXPECT_EQ(services.label_of("leaky"), "leaky");
}

TEST(Services, ProcessNamedOtherBelongsToTheSum) {
  Services services(3);
  round(services, {{"other", 7}, {"a", 1}});
  EXPECT_EQ(shown(services), "a 1, other 7");
}

TEST(Services, IsBounded) {
  Services services(3);
  services.begin();
  for (std::size_t i = 0; i < Services::kMost + 500; ++i)
    ++services.at("service " + std::to_string(i)).now[index(State::Established)];
  services.end();
  std::uint64_t all = 0;
  services.for_each([&](std::string_view, const Service& one) { all += one.connections(); });
  EXPECT_EQ(all, Services::kMost + 500);
  round(services, {{"a", 1}});
  EXPECT_EQ(shown(services), "a 1, other 0") << "services without connections are forgotten";
}

}  // namespace
}  // namespace tcpdwell::exporter
