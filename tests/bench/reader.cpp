// SPDX-License-Identifier: Apache-2.0
// Reads lines from its standard input to the end, as fast as they come or at a given rate, and
// says how many there were and what the last one was. The benchmarks put it behind a tracer's pipe
// and let it count what is in a file.
#include <getopt.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace tcpdwell::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kUsage = R"(usage: reader [OPTIONS] <LINES
  --lines-per-second N   no faster than that (as fast as they come)
  --has TEXT             count the lines that have all of these (repeatable)
  --lacks TEXT           and none of these (repeatable)
It prints one line of JSON at the end of its input.
)";

// A piece stays in the second-level cache, and is larger than what most writers write at once.
constexpr std::size_t kPiece = 256U << 10U;
constexpr std::size_t kLongestLine = 1U << 20U;

[[noreturn]] void refuse(std::string_view what) {
  std::fprintf(stderr, "reader: %.*s\n%s", static_cast<int>(what.size()), what.data(), kUsage);
  std::exit(2);
}

struct Options {
  double lines_per_s = 0;
  std::vector<std::string> has, lacks;
};

Options parse(int argc, char** argv) {
  static const option kOptions[] = {{"lines-per-second", required_argument, nullptr, 'r'},
                                    {"has", required_argument, nullptr, 'h'},
                                    {"lacks", required_argument, nullptr, 'l'},
                                    {nullptr, 0, nullptr, 0}};
  Options options;
  for (int c; (c = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) switch (c) {
      case 'r': {
        const std::string_view text = optarg;
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), options.lines_per_s);
        if (error != std::errc() || end != text.data() + text.size() || !(options.lines_per_s > 0))
          refuse("--lines-per-second takes a number above 0");
        break;
      }
      case 'h': options.has.emplace_back(optarg); break;
      case 'l': options.lacks.emplace_back(optarg); break;
      default: refuse("no such option");
    }
  if (optind != argc) refuse("no arguments but options");
  return options;
}

class Counter {
 public:
  explicit Counter(const Options& options) : options_(options) {}

  // Whole lines, the last with its '\n'.
  void count(std::string_view text) {
    bytes_ += text.size();
    while (!text.empty()) {
      const std::string_view line = text.substr(0, text.find('\n'));
      ++lines_;
      if (matches(line)) ++matched_;
      text.remove_prefix(line.size() + 1);
      if (text.empty()) last_ = line;
    }
  }

  std::uint64_t lines() const { return lines_; }

  void print(std::size_t unfinished) const {
    const bool json = last_.starts_with('{');
    std::printf("{\"bytes\":%" PRIu64 ",\"lines\":%" PRIu64 ",\"matched\":%" PRIu64
                ",\"unfinished_bytes\":%zu,\"last\":%s}\n",
                bytes_, lines_, matched_, unfinished, json ? last_.c_str() : "null");
  }

 private:
  static bool has(std::string_view line, const std::string& text) {
    return ::memmem(line.data(), line.size(), text.data(), text.size()) != nullptr;
  }
  bool matches(std::string_view line) const {
    for (const auto& text : options_.has)
      if (!has(line, text)) return false;
    for (const auto& text : options_.lacks)
      if (has(line, text)) return false;
    return true;
  }

  const Options& options_;
  std::uint64_t bytes_ = 0, lines_ = 0, matched_ = 0;
  std::string last_;
};

// Sleeps after each piece for as long as its lines may take. Time in which nothing came is not
// made up for: a rate, not an average.
class Pace {
 public:
  explicit Pace(double lines_per_s) : lines_per_s_(lines_per_s) {}

  void after(std::uint64_t lines) {
    if (lines_per_s_ == 0) return;
    const std::chrono::duration<double> takes(static_cast<double>(lines) / lines_per_s_);
    next_ = std::max(next_, Clock::now()) + std::chrono::duration_cast<Clock::duration>(takes);
    std::this_thread::sleep_until(next_);
  }

 private:
  double lines_per_s_;
  Clock::time_point next_ = {};
};

int read_all(const Options& options) {
  Counter counter(options);
  Pace pace(options.lines_per_s);
  std::vector<char> buffer(kLongestLine + kPiece);
  std::size_t filled = 0;  // the beginning of a line whose rest is still to come
  while (true) {
    const ssize_t got = ::read(STDIN_FILENO, buffer.data() + filled, kPiece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      std::perror("reader: read");
      return 1;
    }
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
    const auto whole = std::string_view(buffer.data(), filled).rfind('\n') + 1;
    const std::uint64_t before = counter.lines();
    counter.count({buffer.data(), whole});
    filled -= whole;
    if (filled > kLongestLine) refuse("a line longer than 1 MiB");
    std::memmove(buffer.data(), buffer.data() + whole, filled);
    pace.after(counter.lines() - before);
  }
  counter.print(filled);
  return 0;
}

}  // namespace
}  // namespace tcpdwell::bench

int main(int argc, char** argv) {
  using namespace tcpdwell::bench;
  return read_all(parse(argc, argv));
}
