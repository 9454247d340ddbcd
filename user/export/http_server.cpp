// SPDX-License-Identifier: Apache-2.0
#include "export/http_server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <utility>

#include "export/cpu_budget.h"
#include "export/libevent.h"
#include "export/responses.h"
#include "util/thread.h"

namespace tcpdwell::exporter {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kSweep = 50ms;
constexpr auto kPauseAfterError = 1s;  // accept() failed: no descriptor or no memory is left
constexpr int kMostHeaderBytes = 16 * 1024, kMostBodyBytes = 1024;

timeval timeval_of(std::chrono::microseconds time) {
  return {.tv_sec = static_cast<time_t>(time / 1s),
          .tv_usec = static_cast<suseconds_t>(time % 1s / 1us)};
}

}  // namespace

// Everything but stop() runs on the server's thread.
class HttpServer::Loop {
 public:
  Loop(ServerConfig config, UniqueFd stop)
      : config_(std::move(config)), responses_(config_.pages), stop_(std::move(stop)) {}
  ~Loop() {
    http_.reset();  // frees the connections: sweep() then drops the last reference of each
    sweep();
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  std::optional<Error> set_up(const UniqueFd& listener);
  void run();
  void stop() {
    const std::uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof one);
  }

 private:
  // libevent has no limit of connections, and its time-out begins anew with each byte. So each
  // connection is kept here, by a reference to its bufferevent, until evhttp has freed it.
  struct Connection {
    bufferevent* stream;
    Clock::time_point deadline;
  };

  static Loop& self(void* loop) { return *static_cast<Loop*>(loop); }
  EventPtr timer(event_callback_fn call) {
    return EventPtr(event_new(base_.get(), -1, 0, call, this));
  }
  static void arm(const EventPtr& event, std::chrono::microseconds wait) {
    const timeval time = timeval_of(wait);
    event_add(event.get(), &time);
  }

  bufferevent* accepted();
  void sweep();
  void watch_limits();
  void pause(std::chrono::microseconds time);
  void answer(evhttp_request* request);
  void answer_metrics(evhttp_request* request);

  ServerConfig config_;
  Responses responses_;
  UniqueFd stop_;
  std::vector<Connection> connections_;
  std::optional<CpuBudget> budget_;
  BasePtr base_;
  EventPtr stopped_, sweeper_, resume_, step_;
  HttpPtr http_;
  evconnlistener* listener_ = nullptr;  // belongs to http_
  bool paused_ = false;
  static inline thread_local Loop* here_ = nullptr;  // the loop of this thread
};

std::optional<Error> HttpServer::Loop::set_up(const UniqueFd& listener) {
  base_.reset(event_base_new());
  if (!base_) return system_error("making the event loop of the HTTP server");
  stopped_.reset(event_new(
      base_.get(), stop_.get(), EV_READ,
      [](int, short, void* loop) { event_base_loopbreak(self(loop).base_.get()); }, this));
  sweeper_ = timer([](int, short, void* loop) {
    self(loop).sweep();
    self(loop).watch_limits();
  });
  resume_ = timer([](int, short, void* loop) {
    self(loop).paused_ = false;
    self(loop).watch_limits();
  });
  step_ = timer([](int, short, void* loop) {
    self(loop).config_.at_step();
    arm(self(loop).step_, self(loop).config_.step);
  });
  event_add(stopped_.get(), nullptr);
  if (!listener) return std::nullopt;
  http_.reset(evhttp_new(base_.get()));
  evhttp_set_timeout(http_.get(), static_cast<int>(config_.patience / 1s) + 1);
  evhttp_set_max_headers_size(http_.get(), kMostHeaderBytes);
  evhttp_set_max_body_size(http_.get(), kMostBodyBytes);
  evhttp_set_allowed_methods(http_.get(), EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
  evhttp_set_bevcb(
      http_.get(), [](event_base*, void* loop) { return self(loop).accepted(); }, this);
  evhttp_set_gencb(
      http_.get(), [](evhttp_request* request, void* loop) { self(loop).answer(request); }, this);
  // evhttp closes the descriptor that it gets.
  const int copy = ::fcntl(listener.get(), F_DUPFD_CLOEXEC, 0);
  evhttp_bound_socket* bound =
      copy >= 0 ? evhttp_accept_socket_with_handle(http_.get(), copy) : nullptr;
  if (bound == nullptr) return system_error("accepting connections of the HTTP server");
  listener_ = evhttp_bound_socket_get_listener(bound);
  // Its argument is evhttp's.
  evconnlistener_set_error_cb(listener_,
                              [](evconnlistener*, void*) { here_->pause(kPauseAfterError); });
  return std::nullopt;
}

void HttpServer::Loop::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  here_ = this;
  pthread_setname_np(pthread_self(), "tcpdwell-http");
  if (config_.on_thread) config_.on_thread();
  budget_.emplace(config_.cpu_share);
  if (config_.at_step) arm(step_, 1s);
  event_base_dispatch(base_.get());
}

bufferevent* HttpServer::Loop::accepted() {
  bufferevent* stream = bufferevent_socket_new(base_.get(), -1, BEV_OPT_CLOSE_ON_FREE);
  if (stream == nullptr) return nullptr;  // evhttp makes one of its own
  bufferevent_incref(stream);
  connections_.push_back({stream, Clock::now() + config_.patience});
  watch_limits();
  return stream;
}

// Drops connections that evhttp has freed, which closes their descriptors, and ends those that took
// too long: evhttp then finds them closed.
void HttpServer::Loop::sweep() {
  const auto now = Clock::now();
  std::erase_if(connections_, [&](const Connection& one) {
    void* owner = nullptr;
    bufferevent_getcb(one.stream, nullptr, nullptr, nullptr, &owner);
    if (owner == nullptr) return bufferevent_decref(one.stream), true;
    if (now >= one.deadline) ::shutdown(bufferevent_getfd(one.stream), SHUT_RDWR);
    return false;
  });
}

void HttpServer::Loop::watch_limits() {
  if (!paused_ && budget_->is_spent())
    pause(kSweep);
  else if (paused_ || connections_.size() >= config_.connections)
    evconnlistener_disable(listener_);
  else
    evconnlistener_enable(listener_);
  if (!connections_.empty()) arm(sweeper_, kSweep);
}

void HttpServer::Loop::pause(std::chrono::microseconds time) {
  paused_ = true;
  evconnlistener_disable(listener_);
  arm(resume_, time);
}

void HttpServer::Loop::answer(evhttp_request* request) {
  evkeyvalq* headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Connection", "close");
  const evhttp_uri* uri = evhttp_request_get_evhttp_uri(request);
  const char* path = uri != nullptr ? evhttp_uri_get_path(uri) : nullptr;
  const std::string_view asked = path != nullptr ? path : "";
  if (asked == "/metrics") return answer_metrics(request);
  if (asked != "/" && !asked.empty()) {
    evhttp_send_reply(request, HTTP_NOTFOUND, nullptr, nullptr);
    return;
  }
  evhttp_add_header(headers, "Content-Type", "text/plain; charset=utf-8");
  evbuffer_add_printf(evhttp_request_get_output_buffer(request), "tcpdwell: see /metrics\n");
  evhttp_send_reply(request, HTTP_OK, nullptr, nullptr);
}

void HttpServer::Loop::answer_metrics(evhttp_request* request) {
  const char* accept = evhttp_find_header(evhttp_request_get_input_headers(request), "Accept");
  const Format format = chosen_format(accept != nullptr ? accept : "");
  auto text = responses_.in(format);
  evkeyvalq* headers = evhttp_request_get_output_headers(request);
  if (!text) {
    evhttp_add_header(headers, "Retry-After", "1");
    evhttp_send_reply(request, HTTP_SERVUNAVAIL, nullptr, nullptr);
    return;
  }
  evhttp_add_header(headers, "Content-Type", std::string(content_type(format)).c_str());
  if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
    evhttp_add_header(headers, "Content-Length", std::to_string(text->size()).c_str());
    evhttp_send_reply(request, HTTP_OK, nullptr, nullptr);
    return;
  }
  auto* kept = new std::shared_ptr<const std::string>(std::move(text));
  evbuffer_add_reference(
      evhttp_request_get_output_buffer(request), (*kept)->data(), (*kept)->size(),
      [](const void*, std::size_t, void* text_kept) {
        delete static_cast<std::shared_ptr<const std::string>*>(text_kept);
      },
      kept);
  evhttp_send_reply(request, HTTP_OK, nullptr, nullptr);
}

HttpServer::HttpServer(std::unique_ptr<Loop> loop)
    : loop_(std::move(loop)), thread_(make_thread([this] { loop_->run(); })) {}

HttpServer::~HttpServer() {
  loop_->stop();
  thread_.join();
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(ServerConfig config, UniqueFd listener) {
  // What libevent has to say is about single connections.
  event_set_log_callback([](int, const char*) {});
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop) return system_error("making a descriptor for the HTTP server (eventfd)");
  auto loop = std::make_unique<Loop>(std::move(config), std::move(stop));
  if (auto error = loop->set_up(listener)) return *error;
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(loop)));
}

}  // namespace tcpdwell::exporter
