// SPDX-License-Identifier: Apache-2.0
#include "sinks/journal_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>

#include "support/records.h"
#include "support/temporary_files.h"

namespace tcpdwell {
namespace {

using namespace samples;
using testing::HasSubstr;
using testing::Not;

// A journal that keeps what it is sent.
class FakeJournal {
 public:
  explicit FakeJournal(const std::string& path)
      : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  // The next entry; empty: none.
  std::string next() {
    std::array<char, 8192> text{};
    const ssize_t size = ::recv(socket_.get(), text.data(), text.size(), 0);
    return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : "";
  }

 private:
  UniqueFd socket_;
};

FlagRecord journal_leak(Nanos at) {
  FlagRecord flag;
  flag.when.mono = at;
  flag.socket = ipv4_client();
  flag.dwell = {61s, 0ns};
  flag.cause = Cause::EofRead;
  return flag;
}

TEST(JournalSink, FlagIsOneEntryWithFields) {
  TemporaryDirectory directory;
  FakeJournal journal(directory.file("socket"));
  auto sink = JournalSink::open(directory.file("socket"));
  ASSERT_TRUE(sink);
  FlagRecord flag = journal_leak(1h);
  flag.socket.owner = owner_of(42, "evil\nTCPDWELL_X=1");
  sink->write(Record(flag));
  const std::string entry = journal.next();
  EXPECT_THAT(
      entry,
      HasSubstr("MESSAGE=CLOSE_WAIT for 61.000s, eof_read: 10.0.0.1:54321 -> 10.0.0.2:80, "));
  EXPECT_THAT(entry, HasSubstr("\nPRIORITY=4\n"));
  EXPECT_THAT(entry, HasSubstr("\nTCPDWELL_FLAG=CLOSE_WAIT\nTCPDWELL_CAUSE=eof_read\n"));
  EXPECT_THAT(entry, HasSubstr("\nTCPDWELL_PID=42\n"));
  EXPECT_THAT(entry, Not(HasSubstr("\nTCPDWELL_X"))) << "a name cannot add a field";
}

TEST(JournalSink, FloodIsCounted) {
  TemporaryDirectory directory;
  FakeJournal journal(directory.file("socket"));
  auto sink = JournalSink::open(directory.file("socket"));
  ASSERT_TRUE(sink);
  std::size_t entries = 0;
  for (std::size_t i = 0; i < JournalSink::kMostPerMinute + 50; ++i) {
    sink->write(Record(journal_leak(1h)));
    entries += journal.next().empty() ? 0 : 1;
  }
  EXPECT_EQ(entries, JournalSink::kMostPerMinute);
  sink->write(Record(journal_leak(1h + 1min)));
  EXPECT_THAT(journal.next(), HasSubstr("MESSAGE=50 flags were not logged\n"));
  EXPECT_THAT(journal.next(), HasSubstr("MESSAGE=CLOSE_WAIT for"));
}

TEST(JournalSink, WithoutJournalThereIsNone) {
  TemporaryDirectory directory;
  EXPECT_FALSE(JournalSink::open(directory.file("nothing")));
}

}  // namespace
}  // namespace tcpdwell
