// SPDX-License-Identifier: Apache-2.0
#include "kernel/symbol_iterators.h"

#include <chrono>
#include <cstring>
#include <thread>

#include "kernel/iterator.h"
#include "kernel/libbpf_log.h"
#include "kernel/own_sockets.h"
#include "skel/symbols.skel.h"
#include "tcpdwell/wire.h"
#include "util/thread.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr int kTries = 100;  // 10 ms apart: a softirq makes the minisock later

// One attached program of the object. It may fail: drops the output of libbpf.
class Walk {
 public:
  template <typename Choose>
  explicit Walk(Choose&& choose) : object_(symbols_bpf::open()) {
    if (!object_) return;
    bpf_program* program = choose(*object_);
    bpf_program__set_autoload(program, true);
    if (symbols_bpf::load(object_.get()) == 0)
      link_.reset(bpf_program__attach_iter(program, nullptr));
  }
  explicit operator bool() const { return static_cast<bool>(link_); }
  std::vector<std::byte> read() const {
    auto bytes = read_all(link_, "reading the kernel's functions");
    return bytes ? std::move(*bytes) : std::vector<std::byte>{};
  }

 private:
  struct Destroy {
    void operator()(symbols_bpf* object) const noexcept { symbols_bpf::destroy(object); }
  };
  const LibbpfLog::Quiet quiet_;
  std::unique_ptr<symbols_bpf, Destroy> object_;
  LinkPtr link_;
};

TimerHandlers decode_handlers(const std::vector<std::byte>& bytes) {
  TimerHandlers found;
  tcpdwell_handler raw;
  for (std::size_t at = 0; at + sizeof raw <= bytes.size(); at += sizeof raw) {
    std::memcpy(&raw, bytes.data() + at, sizeof raw);
    (raw.kind == TCPDWELL_MINISOCK ? found.timewait : found.request) = raw.function;
  }
  return found;
}

}  // namespace

std::string list_kernel_functions() {
  const Walk walk([](symbols_bpf& object) { return object.progs.list_symbols; });
  if (!walk) return {};
  const auto bytes = walk.read();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TimerHandlers handlers_of_own_sockets() {
  const Walk walk([](symbols_bpf& object) { return object.progs.list_handlers; });
  TimerHandlers found;
  if (!walk) return found;
  make_thread([&] {
    const OwnSockets sockets;
    for (int tries = 0; sockets && tries < kTries; ++tries) {
      found = decode_handlers(walk.read());
      if (found.timewait != 0 && found.request != 0) return;
      std::this_thread::sleep_for(10ms);
    }
  }).join();
  return found;
}

}  // namespace tcpdwell
