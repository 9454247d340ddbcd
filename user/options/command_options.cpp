// SPDX-License-Identifier: Apache-2.0
// The options of each command, and which of the shared ones it refuses.
#include <utility>

#include "options/command_line.h"
#include "options/command_rules.h"
#include "options/option_values.h"
#include "options/options.h"
#include "options/where_options.h"

namespace tcpdwell {

void CommandOptions::add_to(CLI::App&, OptionTexts&) {}
std::vector<std::string> CommandOptions::refused(const OptionTexts&) const { return {}; }
void CommandOptions::read(const CLI::App&, const OptionTexts&, Options&) {}
const CLI::App* CommandOptions::described(const CLI::App& own) const { return &own; }

namespace {

using namespace std::chrono_literals;
using namespace command_rules;

class TraceOptions final : public CommandOptions {
 public:
  TraceOptions()
      : CommandOptions("Stream transitions, flags and finished connections (the default)") {}
  void add_to(CLI::App& own, OptionTexts&) override { where_.add_to(own); }
  std::vector<Example> examples() const override {
    return {
        {"--lport 443 --json -d 30s", "30 seconds of the TLS service, as JSON"},
        {"--state CLOSE_WAIT --min-dwell 30s", "only what stayed in CLOSE_WAIT for 30 s or longer"},
        {"--remote 10.0.0.5:5432 --only connection",
         "one line for each finished connection to this database"},
        {"--flag SYN_SENT=3s --only flag", "only handshakes that take longer than 3 s"}};
  }
  void read(const CLI::App& shared, const OptionTexts& texts, Options& options) override {
    if (texts.record.empty())
      for (const char* option : {"--max-size", "--rotate", "--zstd"})
        if (shared.count(option) != 0) throw CLI::RequiresError(option, "--record FILE");
    options.recording = texts.record;
    options.where = where_.read();
    if (options.only && options.only->flags && !options.only->transitions &&
        !options.only->connections)
      require_a_flag(options);
  }

 private:
  WhereOptions where_;
};

class RunOptions final : public CommandOptions {
 public:
  RunOptions()
      : CommandOptions(
            "Run a command, follow only its sockets and those of its descendants, and list at "
            "its end what they leaked",
            {.flag_after = 1s, .runs_command = true, .failure_status = 125}) {}
  std::string usage() const override { return "[OPTIONS] -- CMD [ARG...]"; }
  std::vector<Example> examples() const override {
    return {{"run -- ./integration-tests", "fails if the tests pass, but leave sockets open"},
            {"run --flag CLOSE_WAIT=5s -- curl -s http://10.0.0.5/",
             "5 s in CLOSE_WAIT are no leak yet (default 1s)"},
            {"run --json -o leaks.json --user www-data -- ./server",
             "the report as JSON in a file; the command as another user"}};
  }
  void add_to(CLI::App& own, OptionTexts& texts) override {
    own.add_option("--leak-exit-code", texts.leak_exit_code,
                   "Exit status if CMD exits with 0 but leaked sockets (default 1)")
        ->type_name("N");
    own.add_option("--exit-grace", texts.exit_grace,
                   "A socket is a leak if it was in CLOSE_WAIT for D and only the exit of its "
                   "process closed it (default 100ms)")
        ->type_name("D");
    own.add_option("--user", texts.user, "Run CMD as this user")->type_name("NAME");
    where_.add_to(own);
  }
  Names refused(const OptionTexts&) const override {
    return with(recording_options(),
                {"--only", "--ready-file", "--no-flags", "--duration", "--min-dwell"});
  }
  void read(const CLI::App&, const OptionTexts& texts, Options& options) override {
    options.user = texts.user;
    options.where = where_.read();
    options.exit_grace = 100ms;
    if (!texts.exit_grace.empty())
      options.exit_grace = duration_value("--exit-grace", texts.exit_grace);
    if (!texts.leak_exit_code.empty())
      options.leak_exit_code = status_value("--leak-exit-code", texts.leak_exit_code);
    require_a_flag(options);
  }

 private:
  WhereOptions where_{true};
};

class CheckOptions final : public CommandOptions {
 public:
  CheckOptions()
      : CommandOptions(
            "Report whether and how exactly this host can be traced, and what the TCP "
            "sysctls (of --netns) mean; with --quiet, print only problems. Exit status 2 "
            "if the host cannot be traced") {}
  std::vector<Example> examples() const override {
    return {{"check", "what a trace can see on this host, and what its TCP sysctls mean"},
            {"check -q", "only problems"},
            {"check --netns blue --json", "the sysctls of another network namespace, as JSON"}};
  }
  // It follows no connection and ends by itself: nothing chooses or limits either.
  Names refused(const OptionTexts&) const override {
    return with(recording_options(), {"--ready-file", "--only",
                                      "--no-flags",   "--flag",
                                      "--no-accept",  "--duration",
                                      "--ring-size",  "--output-buffer",
                                      "--strict",     "--max-connections",
                                      "--port",       "--lport",
                                      "--rport",      "--addr",
                                      "--local",      "--remote",
                                      "-4",           "-6",
                                      "--pid",        "--comm",
                                      "--cgroup",     "--state",
                                      "--min-dwell"});
  }
};

class RecordOptions final : public CommandOptions {
 public:
  RecordOptions()
      : CommandOptions("Write the raw events to a file (-o FILE) for replay, and print nothing") {}
  std::string usage() const override { return "-o FILE [OPTIONS]"; }
  std::vector<Example> examples() const override {
    return {{"record -o host.tdw -d 10m", "ten minutes of this host, for tcpdwell replay"},
            {"record -o host.tdw --max-size 1G --rotate 5 --zstd",
             "runs on, in six files of 1 GiB at most, compressed"},
            {"record -o web.tdw --lport http,https", "only connections of the web server"}};
  }
  void add_to(CLI::App& own, OptionTexts&) override { where_.add_to(own); }
  Names refused(const OptionTexts&) const override {
    return {"--record",    "--json",  "--only", "--state",
            "--min-dwell", "--color", "--time", "--output-buffer"};
  }
  void read(const CLI::App&, const OptionTexts& texts, Options& options) override {
    if (texts.output.empty()) throw CLI::RequiresError("record", "--output FILE");
    options.recording = std::exchange(options.output, {});
    options.where = where_.read();
  }

 private:
  WhereOptions where_;
};

class TopOptions final : public CommandOptions {
 public:
  TopOptions()
      : CommandOptions(
            "Live screen: the states, stuck sockets with cause and next step, ports that run out, "
            "and the connections, oldest in their state first. Press ? for its keys") {}
  std::vector<Example> examples() const override {
    return {{"top", "this host; q ends it"},
            {"top --lport https --delay 250ms", "one service, with four looks a second"},
            {"top --netns blue --ascii", "a network namespace, on a terminal without UTF-8"}};
  }
  void add_to(CLI::App& own, OptionTexts& texts) override {
    own.add_option("--delay", texts.delay, "Time between two looks (250ms or more; default 1s)")
        ->type_name("D");
    add_ascii_option(own, texts);
  }
  Names refused(const OptionTexts&) const override {
    return with(recording_options(),
                {"--json", "--output", "--output-buffer", "--only", "--quiet", "--min-dwell"});
  }
  void read(const CLI::App&, const OptionTexts& texts, Options& options) override {
    options.ascii = texts.ascii;
    if (texts.delay.empty()) return;
    options.delay = duration_value("--delay", texts.delay);
    if (options.delay < 250ms) throw CLI::ValidationError("--delay", "must be at least 250ms");
  }
};

}  // namespace

std::unique_ptr<CommandOptions> trace_options() { return std::make_unique<TraceOptions>(); }
std::unique_ptr<CommandOptions> run_options() { return std::make_unique<RunOptions>(); }
std::unique_ptr<CommandOptions> check_options() { return std::make_unique<CheckOptions>(); }
std::unique_ptr<CommandOptions> record_options() { return std::make_unique<RecordOptions>(); }
std::unique_ptr<CommandOptions> top_options() { return std::make_unique<TopOptions>(); }

}  // namespace tcpdwell
