// SPDX-License-Identifier: Apache-2.0
// `export`: metrics for Prometheus, by HTTP or in a file.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <optional>
#include <utility>

#include "commands/common.h"
#include "commands/table.h"
#include "export/host_page.h"
#include "export/http_server.h"
#include "export/metrics.h"
#include "export/textfile.h"
#include "export/write_text.h"
#include "kernel/listener_list.h"
#include "kernel/pod_names.h"
#include "kernel/rights.h"
#include "options/command_line.h"
#include "options/option_values.h"
#include "options/where_options.h"
#include "session/limits.h"
#include "session/service_manager.h"
#include "sinks/journal_sink.h"

namespace tcpdwell {
namespace {

using exporter::Board;
using exporter::HttpServer;
using exporter::ListenerMetrics;
using exporter::ListenerNow;
using exporter::Metrics;
using exporter::MetricsConfig;
using exporter::Page;
using exporter::PageBuilder;
using exporter::ServerConfig;
using Names = std::vector<std::string>;

constexpr const char* kDefaultAddress = "127.0.0.1:9853";
constexpr std::size_t kDescriptorsOfAnExporter = kDescriptorsOfATrace + 48;
// For the metrics that do not come from the table.
constexpr std::size_t kHostSeries = 3 * ListenerMetrics::kPorts + 8;
constexpr std::size_t kLeastSeries = 200;
constexpr mode_t kTextfileMode = 0644;  // node_exporter runs as another user

class ExportOptions final : public CommandOptions {
 public:
  ExportOptions()
      : CommandOptions(
            "Serve metrics for Prometheus at http://127.0.0.1:9853/metrics, or write them to a "
            "file for node_exporter") {}

  std::vector<Example> examples() const override {
    return {{"export", "at http://127.0.0.1:9853/metrics, for a Prometheus on this host"},
            {"export --listen '[::]:9853' --no-destinations",
             "for another host, without addresses of peers"},
            {"export --textfile /var/lib/prometheus/node-exporter/tcpdwell.prom",
             "through node_exporter"}};
  }

  void add_to(CLI::App& own, OptionTexts&) override {
    own.add_option("--listen", listen,
                   "Serve on this address and port, in numbers (default 127.0.0.1:9853; with "
                   "--textfile: only if given)")
        ->type_name("ADDR:PORT");
    own.add_option(
           "--textfile", textfile,
           "Write the metrics to FILE every 15 s, readable for all: node_exporter reads *.prom")
        ->type_name("FILE");
    own.add_option("--services", services_,
                   "Name the N largest services, and the rest \"other\" (default 20)")
        ->type_name("N");
    own.add_option("--max-series", series_,
                   "Leave out what exceeds N series, and count that (200 or more; default 5000)")
        ->type_name("N");
    own.add_flag("--no-destinations", no_destinations_,
                 "Leave out the metrics of ports, whose labels are addresses");
    where_.add_to(own);
  }

  Names refused(const OptionTexts&) const override {
    return {"--json", "--output", "--output-buffer", "--only", "--color", "--time", "--min-dwell"};
  }

  void read(const CLI::App& shared, const OptionTexts& texts, Options& options) override {
    if (texts.record.empty())
      for (const char* option : {"--max-size", "--rotate", "--zstd"})
        if (shared.count(option) != 0) throw CLI::RequiresError(option, "--record FILE");
    options.recording = texts.record;
    options.where = where_.read();
    // No metric has them: a line of code is no label.
    if (options.where.on && texts.record.empty())
      throw CLI::RequiresError("--where", "--record FILE");
    if (!services_.empty()) metrics.services = count_value("--services", services_);
    std::size_t most = metrics.most_series;
    if (!series_.empty()) most = count_value("--max-series", series_);
    if (most < kLeastSeries) throw CLI::ValidationError("--max-series", "must be at least 200");
    metrics.most_series = most - kHostSeries;
    if (no_destinations_) metrics.destinations = 0;
  }

  std::string listen, textfile;
  MetricsConfig metrics;

 private:
  std::string services_, series_;
  bool no_destinations_ = false;
  WhereOptions where_;
};

// The pages of the exporter, on the server's thread. What comes from /proc is read once for each
// page of the table.
class Pages {
 public:
  explicit Pages(const Board& board) : board_(board) {}

  std::vector<std::shared_ptr<const Page>> now() {
    auto latest = board_.latest();
    if (!latest) return {};
    if (latest != table_) {
      table_ = std::move(latest);
      PageBuilder page(kHostSeries);
      listeners_.add(page, listed());
      exporter::add_process(page);
      host_ = std::make_shared<const Page>(page.take());
    }
    return {table_, host_};
  }

 private:
  static std::optional<std::vector<ListenerNow>> listed() {
    const auto listed = list_listeners();
    if (!listed) return std::nullopt;
    std::vector<ListenerNow> all;
    for (const ListedListener& one : *listed)
      all.push_back({one.cookie, one.local.port, one.length, one.backlog, one.syns_dropped});
    return all;
  }

  const Board& board_;
  ListenerMetrics listeners_;
  std::shared_ptr<const Page> table_, host_;
};

// The metrics, and the journal of the service that we run as.
class Sinks final : public Sink {
 public:
  explicit Sinks(Metrics& metrics) : metrics_(metrics), journal_(JournalSink::of_this_service()) {}
  void write(const Record& record) noexcept override {
    metrics_.write(record);
    if (journal_) journal_->write(record);
  }
  Needs needs() const noexcept override { return metrics_.needs(); }

 private:
  Metrics& metrics_;
  std::optional<JournalSink> journal_;
};

// Logs a failure once, and again after a success.
class TextfileWriter {
 public:
  TextfileWriter(std::string path, FilePolicy policy, Pages& pages)
      : path_(std::move(path)), policy_(std::move(policy)), pages_(pages) {}

  void write() {
    std::string text;
    for (const auto& page : pages_.now()) exporter::write_prometheus(text, *page);
    if (text.empty()) return;
    const auto error = exporter::write_textfile(path_, text, policy_);
    if (error && !std::exchange(failed_, true)) spdlog::warn(error->text());
    if (!error) failed_ = false;
  }

 private:
  std::string path_;
  FilePolicy policy_;
  Pages& pages_;
  bool failed_ = false;
};

// The socket to serve on; an invalid one: none.
Result<UniqueFd> listener_for(const ExportOptions& options) {
  if (options.listen.empty()) {
    if (auto passed = passed_socket()) return std::move(*passed);
    if (!options.textfile.empty()) return UniqueFd();
  }
  return exporter::listen_on(options.listen.empty() ? kDefaultAddress : options.listen);
}

}  // namespace

std::unique_ptr<CommandOptions> export_options() { return std::make_unique<ExportOptions>(); }

int run_export(const Options& options) {
  const auto& own = dynamic_cast<const ExportOptions&>(*options.own);
  if (const auto error = settle_limits(kDescriptorsOfAnExporter)) return fail(*error);
  auto listener = listener_for(own);
  if (!listener) return fail(listener.error());
  Board board;
  PodNames pods;
  MetricsConfig metrics_config = own.metrics;
  metrics_config.pod_name = [&](std::string_view id) {
    return pods.name_of(id, PodNames::Clock::now());
  };
  Metrics metrics(metrics_config, board);
  Pages pages(board);
  FilePolicy policy = options.files;
  policy.mode = kTextfileMode;
  TextfileWriter textfile(own.textfile, policy, pages);
  ServerConfig server{.pages = [&] { return pages.now(); }, .on_thread = [] { keep_only({}); }};
  if (!own.textfile.empty()) server.at_step = [&] { textfile.write(); };
  std::unique_ptr<HttpServer> http;
  Output output(STDOUT_FILENO);  // required by trace(); nothing is written to it
  TracerConfig config = tracer_config(options);
  config.session.observer = &metrics;
  config.session.needs_reader = false;
  config.session.last_snapshot = false;
  config.attached = [&]() -> std::optional<Error> {
    auto started = HttpServer::start(std::move(server), std::move(*listener));
    if (!started) return started.error();
    http = std::move(*started);
    return std::nullopt;
  };
  Sinks sinks(metrics);
  auto end = trace(config, sinks, output);
  http.reset();
  return end ? report(options, *end, output) : fail(end.error());
}

}  // namespace tcpdwell
