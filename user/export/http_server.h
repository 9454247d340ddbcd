// SPDX-License-Identifier: Apache-2.0
// Answers GET /metrics in a thread of its own, from pages that another thread posts. A scraper that
// is slow, hostile or one of many costs neither the trace nor this host much:
//
// - one request a connection, and a fixed time for all of it
// - a fixed number of connections; the kernel queues those beyond it
// - a share of one CPU; beyond it, no connection is accepted for a while
// - a format is written once for each page, whoever asks for it
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "export/page.h"
#include "util/result.h"
#include "util/unique_fd.h"

namespace tcpdwell::exporter {

struct ServerConfig {
  std::size_t connections = 32;              // at a time
  std::chrono::milliseconds patience{5000};  // for a request, from accept() to the last byte
  double cpu_share = 0.02;                   // of one CPU
  // The pages of a response; empty: nothing to show yet. Called on the server's thread.
  std::function<std::vector<std::shared_ptr<const Page>>()> pages;
  // Called first on the server's thread.
  std::function<void()> on_thread;
  // Called on the server's thread every `step`; empty: never.
  std::function<void()> at_step;
  std::chrono::seconds step{15};
};

class HttpServer {
 public:
  // Serves on `listener`, a listening TCP socket; an invalid one: only calls at_step.
  static Result<std::unique_ptr<HttpServer>> start(ServerConfig config, UniqueFd listener);
  ~HttpServer();  // ends at once; open connections are closed
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

 private:
  class Loop;
  explicit HttpServer(std::unique_ptr<Loop> loop);

  std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

// A listening socket on "127.0.0.1:9853" or "[::1]:9853": numbers only, so that nothing is looked
// up.
Result<UniqueFd> listen_on(const std::string& address);

}  // namespace tcpdwell::exporter
