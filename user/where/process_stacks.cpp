// SPDX-License-Identifier: Apache-2.0
#include "where/process_stacks.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

#include "util/unique_fd.h"
#include "where/stack_parts.h"

namespace tcpdwell {
namespace {

// Field `number` of /proc/PID/stat, as proc(5) counts them; the second one may contain anything.
std::optional<std::uint64_t> stat_field(std::string_view text, unsigned number) {
  constexpr unsigned kAfterName = 3;
  const auto name_end = text.rfind(')');
  if (name_end == text.npos) return std::nullopt;
  text.remove_prefix(name_end + 1);
  for (unsigned at = kAfterName; !text.empty(); ++at) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const std::string_view field = text.substr(0, text.find(' '));
    if (at == number) {
      std::uint64_t value = 0;
      const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
      return error == std::errc{} ? std::optional(value) : std::nullopt;
    }
    text.remove_prefix(field.size());
  }
  return std::nullopt;
}

// True if the process has the memory that it had at the event: its begin is the same, and so is the
// begin of its stack, which execve() chooses at random.
bool has_same_memory(const StackSnapshot& snapshot) {
  constexpr unsigned kBegin = 22, kStackBegin = 28;
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const std::string path = "/proc/" + std::to_string(snapshot.pid) + "/stat";
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> bytes{};
  const ssize_t size = file ? ::read(file.get(), bytes.data(), bytes.size()) : 0;
  if (size <= 0) return false;
  const std::string_view text(bytes.data(), static_cast<std::size_t>(size));
  const auto begin = stat_field(text, kBegin), stack = stat_field(text, kStackBegin);
  const std::uint64_t tick = kSecond / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return begin && stack && *stack == snapshot.stack_begin && *begin == snapshot.started / tick;
}

}  // namespace

std::unique_ptr<ProcessStacks> ProcessStacks::open(const StackSnapshot& snapshot,
                                                   ModuleCache& cache) {
  if (!has_same_memory(snapshot)) return nullptr;
  auto view = ProcessView::open(snapshot.pid, cache);
  if (!view) return nullptr;
  std::unique_ptr<ProcessStacks> process(new ProcessStacks(std::move(*view), cache));
  process->python_ = find_python(process->view_, ProcessMemory(snapshot.pid));
  process->mapping_changes_ = snapshot.mapping_changes;
  return has_same_memory(snapshot) ? std::move(process) : nullptr;
}

// dlopen() and dlclose() change what addresses mean, and one library may follow another at the same
// address. False: what was read is of another time, so that what is known by key does not hold.
bool ProcessStacks::is_current(const StackSnapshot& snapshot) {
  if (snapshot.mapping_changes == mapping_changes_ && mapping_changes_ != 0) return true;
  auto view = ProcessView::open(snapshot.pid, cache_, &view_);
  if (!view || !has_same_memory(snapshot)) return false;
  mapping_changes_ = snapshot.mapping_changes;
  const bool same_modules = view->has_same_modules(view_);
  if (!same_modules || !view->has_same_code(view_)) forget_names();
  view_ = std::move(*view);
  if (!same_modules) python_ = find_python(view_, ProcessMemory(snapshot.pid));
  return true;
}

void ProcessStacks::forget_names() {
  known_.clear();
  names_.clear();
}

Stack ProcessStacks::python_stack(const StackSnapshot& snapshot) const {
  Stack frames;
  if (!python_ || !python_->layout) return frames;
  const ProcessMemory memory(snapshot.pid);
  for (const PythonCall& call : snapshot.python)
    frames.push_back(python_frame(*python_->layout, call, memory));
  if (!frames.empty()) frames.back().truncated = snapshot.python_truncated;
  return frames;
}

Stack ProcessStacks::name(std::uint64_t address) {
  if (const auto it = names_.find(address); it != names_.end()) return it->second;
  if (names_.size() >= kMostNames) names_.clear();
  return names_[address] = name_call(view_, address, &jit_);
}

ResolvedStack ProcessStacks::resolve_anew(const StackSnapshot& snapshot) {
  // Python first: its objects are gone with the process, files are not.
  Stack python = python_stack(snapshot);
  const bool gone = !python.empty() && !has_same_memory(snapshot);
  if (gone) python.clear();
  const Calls calls = unwind(view_, snapshot.registers, snapshot.stack, &jit_);
  // Before its interpreter was known, its frames were not walked. A program may also call what
  // Python is made of without a frame.
  const bool unread = !snapshot.python_walked || snapshot.python_truncated;
  const bool unseen =
      snapshot.python.empty() && unread && python_ && python_->layout &&
      std::any_of(calls.addresses.begin(), calls.addresses.end(), [this](std::uint64_t address) {
        return view_.find(address).module == python_->module;
      });
  auto resolved = put_together(view_, calls, std::move(python), python_,
                               [this](std::uint64_t address) { return name(address); });
  if (unseen) resolved.missing = NoStack::NotSeen;
  if (gone) resolved.missing = NoStack::Exited;
  if (resolved.stack.empty() && resolved.missing == NoStack::None)
    resolved.missing = NoStack::Denied;
  return resolved;
}

ResolvedStack ProcessStacks::resolve(const StackSnapshot& snapshot) {
  if (snapshot.stack.bytes.empty()) return {.stack = {}, .missing = NoStack::Denied};
  const bool current = is_current(snapshot);
  if (jit_.refresh(view_)) forget_names();
  if (!current) return resolve_anew(snapshot);
  const StackKey key = key_of(snapshot, [this](std::uint64_t word) { return view_.is_code(word); });
  if (const auto it = known_.find(key); it != known_.end()) return it->second;
  ResolvedStack resolved = resolve_anew(snapshot);
  if (resolved.missing == NoStack::Exited) return resolved;
  if (known_.size() >= kMostKnown) known_.clear();
  return known_[key] = std::move(resolved);
}

}  // namespace tcpdwell
