// SPDX-License-Identifier: Apache-2.0
#include "kernel/stack_programs.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "kernel/attachment.h"
#include "kernel/btf_facts.h"
#include "kernel/iterator.h"
#include "kernel/libbpf_log.h"
#include "kernel/own_pidns.h"
#include "skel/stacks.skel.h"
#include "tcpdwell/where_wire.h"

namespace tcpdwell {
namespace {

std::uint32_t offset_of(std::uint64_t offset) { return static_cast<std::uint32_t>(offset); }

tcpdwell_python to_wire(const PythonPlace& place) {
  const PythonLayout& layout = place.layout;
  tcpdwell_python wire{};
  wire.runtime = place.runtime;
  wire.interpreters = offset_of(layout.interpreters);
  wire.next_interpreter = offset_of(layout.next_interpreter);
  wire.threads = offset_of(layout.threads);
  wire.next_thread = offset_of(layout.next_thread);
  wire.native_thread_id = offset_of(layout.native_thread_id);
  wire.thread_id = offset_of(layout.thread_id);
  wire.frame_holder = offset_of(layout.frame_holder);
  wire.frame_in_holder = offset_of(layout.frame_in_holder.value_or(TCPDWELL_NO_OFFSET));
  wire.code = offset_of(layout.code);
  wire.previous = offset_of(layout.previous);
  wire.instruction = offset_of(layout.instruction);
  wire.owner = offset_of(layout.owner);
  wire.file = offset_of(layout.file);
  wire.qualified_name = offset_of(layout.qualified_name);
  wire.lines = offset_of(layout.lines);
  wire.first_line = offset_of(layout.first_line);
  wire.bytes_size = offset_of(layout.bytes_size);
  wire.bytes = offset_of(layout.bytes);
  wire.first_owner_without_code = layout.first_owner_without_code;
  return wire;
}

void add_stack(StackSnapshot& snapshot, const tcpdwell_stack& raw) {
  for (unsigned i = 0; i < kRegisters; ++i) snapshot.registers.set(i, raw.registers.value[i]);
  snapshot.registers.pc = raw.registers.pc;
  snapshot.stack.begin = snapshot.registers.stack_pointer();
  const auto bytes = std::as_bytes(std::span(raw.stack));
  const auto size = std::min<std::size_t>(raw.head.stack_bytes, bytes.size());
  snapshot.stack.bytes.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
  const auto frames = std::min<std::size_t>(raw.head.python_frames, TCPDWELL_PYTHON_FRAMES);
  for (std::size_t i = 0; i < frames; ++i) {
    const tcpdwell_python_frame& frame = raw.python[i];
    snapshot.python.push_back({.code = frame.code,
                               .instruction = frame.instruction,
                               .file = frame.file,
                               .qualified_name = frame.qualified_name,
                               .lines = frame.lines,
                               .first_line = frame.first_line,
                               .lines_sum = frame.lines_sum});
  }
  snapshot.python_walked =
      raw.head.python == TCPDWELL_PYTHON_WHOLE || raw.head.python == TCPDWELL_PYTHON_TRUNCATED;
  snapshot.python_truncated = raw.head.python == TCPDWELL_PYTHON_TRUNCATED;
}

CapturedStack to_captured(const void* data, std::size_t size) {
  tcpdwell_stack_head head;
  std::memcpy(&head, data, sizeof head);
  CapturedStack captured{
      .at = Nanos{static_cast<std::int64_t>(head.at_ns)},
      .cookie = head.cookie,
      .moment = head.moment == TCPDWELL_OPENED ? StackMoment::Opened : StackMoment::EofRead,
      .is_native = head.is_native != 0,
      .python_asked = head.python != TCPDWELL_PYTHON_NONE,
      .snapshot = {.pid = head.pid,
                   .started = head.started,
                   .exec_id = head.exec_id,
                   .stack_begin = head.stack_begin,
                   .mapping_changes = head.mapping_changes,
                   .registers = {},
                   .stack = {},
                   .python = {}}};
  if (head.moment == TCPDWELL_EXECUTED)
    captured.what = CapturedStack::What::Executed;
  else if (size < sizeof(tcpdwell_stack))
    captured.what = CapturedStack::What::OverBudget;
  else
    add_stack(captured.snapshot, *static_cast<const tcpdwell_stack*>(data));
  return captured;
}

// The program that sees receives: at the tracepoint (6.3), or at the return of tcp_recvmsg().
enum class Receives : std::uint8_t { Unseen, Tracepoint, Function };

struct ReceiveProgram {
  Receives at = Receives::Unseen;
  unsigned args = 0;  // of tcp_recvmsg()
};

ReceiveProgram receive_program(const BtfFacts& btf, bool functions) {
  const unsigned args = btf.function_args("tcp_recvmsg").value_or(0);
  if (btf.tracepoint_args("sock_recv_length") == 3U) return {Receives::Tracepoint, args};
  if (functions && (args == 5 || args == 6)) return {Receives::Function, args};
  return {};
}

}  // namespace

struct StackPrograms::Impl {
  struct Destroy {
    void operator()(stacks_bpf* object) const noexcept { stacks_bpf::destroy(object); }
  };
  struct FreeRing {
    void operator()(ring_buffer* ring) const noexcept { ring_buffer__free(ring); }
  };
  std::unique_ptr<stacks_bpf, Destroy> object;
  std::vector<LinkPtr> links;
  std::unique_ptr<ring_buffer, FreeRing> ring;
  // Of the drain() that runs.
  const std::function<void(CapturedStack&&)>* take = nullptr;
  std::size_t left = 0;
  bool accept = false, receive = false;

  bool keep(LinkPtr link) {
    if (!link) return false;
    links.push_back(std::move(link));
    return true;
  }

  bool attach(const bpf_program* program) {
    return bpf_program__autoload(program) && keep(try_attach(program));
  }

  // Called from C, so nothing may escape.
  static int on_stack(void* context, void* data, std::size_t size) noexcept {
    auto& impl = *static_cast<Impl*>(context);
    if (size >= sizeof(tcpdwell_stack_head)) (*impl.take)(to_captured(data, size));
    return --impl.left > 0 ? 0 : -ECANCELED;
  }
};

StackPrograms::StackPrograms(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StackPrograms::StackPrograms(StackPrograms&&) noexcept = default;
StackPrograms& StackPrograms::operator=(StackPrograms&&) noexcept = default;
StackPrograms::~StackPrograms() = default;

Result<StackPrograms> StackPrograms::load(const tcpdwell_filter& filter,
                                          std::optional<int> followed_tasks) {
  const std::string doing = "loading the BPF programs of --where";
  auto btf = BtfFacts::load();
  if (!btf) return btf.error();
  auto impl = std::make_unique<Impl>();
  impl->object.reset(stacks_bpf::open());
  if (!impl->object) return system_error("opening the BPF programs of --where");
  auto& object = *impl->object;
  // Of the headers that it shares with the other object.
  bpf_map__set_autocreate(object.maps.events, false);
  bpf_map__set_autocreate(object.maps.spilled, false);
  object.rodata->follows = followed_tasks.has_value();
  if (!followed_tasks)
    bpf_map__set_autocreate(object.maps.followed_tasks, false);
  else if (const int rc = bpf_map__reuse_fd(object.maps.followed_tasks, *followed_tasks))
    return system_error(doing, rc);
  const unsigned accept_args = btf->function_args("inet_csk_accept").value_or(0);
  const bool functions = can_trace_functions(*btf);
  const bool by_function = functions && (accept_args == 2 || accept_args == 4);
  const ReceiveProgram receive = receive_program(*btf, functions);
  object.rodata->tracer_pidns = own_pidns();
  object.rodata->accept_args = accept_args;
  object.rodata->receive_args = receive.args;
  const tcpdwell_filter all{};
  object.rodata->filters = std::memcmp(&all, &filter, sizeof all) != 0;
  object.rodata->filter = filter;
  bpf_program__set_autoload(object.progs.on_accept_function, by_function);
  bpf_program__set_autoload(object.progs.on_accept_exit, !by_function);
  bpf_program__set_autoload(object.progs.on_accept4_exit, !by_function);
  bpf_program__set_autoload(object.progs.on_receive, receive.at == Receives::Tracepoint);
  bpf_program__set_autoload(object.progs.on_receive_function, receive.at == Receives::Function);
  if (const int rc = stacks_bpf::load(&object)) return system_error(doing, rc, LibbpfLog::hint());
  for (const bpf_program* program :
       {object.progs.on_fork_of_python, object.progs.on_exec, object.progs.on_connect})
    if (!impl->attach(program))
      return system_error("attaching the BPF programs of --where", 0, LibbpfLog::hint());
  impl->accept =
      by_function
          ? impl->attach(object.progs.on_accept_function)
          : impl->keep(try_attach_syscall_exit(object.progs.on_accept_exit, "accept")) &&
                impl->keep(try_attach_syscall_exit(object.progs.on_accept4_exit, "accept4"));
  impl->receive =
      impl->attach(object.progs.on_receive) || impl->attach(object.progs.on_receive_function);
  impl->ring.reset(
      ring_buffer__new(bpf_map__fd(object.maps.stacks), Impl::on_stack, impl.get(), nullptr));
  if (!impl->ring) return system_error("reading the stacks of --where");
  return StackPrograms(std::move(impl));
}

bool StackPrograms::sees_accept() const { return impl_->accept; }
bool StackPrograms::sees_eof() const { return impl_->receive; }
int StackPrograms::fd() const { return ring_buffer__epoll_fd(impl_->ring.get()); }

// -ECANCELED is a full batch: see on_stack().
void StackPrograms::drain(std::size_t most, const std::function<void(CapturedStack&&)>& take) {
  impl_->take = &take;
  impl_->left = most;
  ring_buffer__consume(impl_->ring.get());
}

std::uint64_t StackPrograms::lost() const {
  return std::atomic_ref<__u64>(impl_->object->bss->stacks_lost).load(std::memory_order_relaxed);
}

void StackPrograms::add_python(std::uint32_t pid, const PythonPlace& place) {
  const tcpdwell_python wire = to_wire(place);
  bpf_map_update_elem(bpf_map__fd(impl_->object->maps.python_processes), &pid, &wire, BPF_ANY);
}

bool can_see_receives() {
  auto btf = BtfFacts::load();
  return btf && receive_program(*btf, can_trace_functions(*btf)).at != Receives::Unseen;
}

}  // namespace tcpdwell
