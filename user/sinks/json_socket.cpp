// SPDX-License-Identifier: Apache-2.0
#include "sinks/json_socket.h"

#include <algorithm>
#include <array>
#include <memory>

#include "sinks/json_line.h"
#include "sinks/known_texts.h"

namespace tcpdwell::json {
namespace {

// Mixes all of `value` into the lower bits: addresses differ in their last bytes, which are the
// upper ones here.
std::size_t spread(std::uint64_t value) {
  value ^= value >> 32U;
  return value * 0x9e3779b97f4a7c15 >> 40U;
}

// An address, with its namespace if that is printed, too.
struct Where {
  std::array<std::uint8_t, 16> addr{};
  std::uint32_t netns = 0;
  Family family = Family::Ipv4;
  std::uint32_t device = Flow::kUnknownDevice;
  bool operator==(const Where& other) const {
    return netns == other.netns && family == other.family && device == other.device &&
           same(addr, other.addr);
  }
};

struct HashOfWhere {
  std::size_t operator()(const Where& where) const {
    std::array<std::uint64_t, 2> halves;
    std::memcpy(halves.data(), where.addr.data(), sizeof halves);
    return spread(halves[0] * 31 + halves[1] + where.netns);
  }
};

struct HashOfOwner {
  std::size_t operator()(const Owner& owner) const {
    return spread(std::uint64_t{owner.process.pid} * 8 + static_cast<std::uint64_t>(owner.via));
  }
};

struct FromTo {
  State before = State::Closed, after = State::Closed;
  bool operator==(const FromTo&) const = default;
};

struct HashOfFromTo {
  std::size_t operator()(const FromTo& states) const {
    return index(states.before) * 16 + index(states.after);
  }
};

struct HashOfRole {
  std::size_t operator()(Role role) const { return static_cast<std::size_t>(role); }
};

char* local(char* to, const SocketInfo& info) {
  constinit thread_local KnownTexts<Where, HashOfWhere, 144, 128> known;
  const Where where{info.flow.local.addr, info.flow.netns, info.flow.family, info.flow.device};
  return known.put(to, where, [&info](char* out) {
    out = put(out, ",\"netns\":");
    out = number(out, info.flow.netns);
    if (info.flow.device != Flow::kUnknownDevice) {
      out = put(out, ",\"ifindex\":");
      out = number(out, info.flow.device);
    }
    if (info.flow.family == Family::Ipv4)
      out = put(out, ",\"family\":\"ipv4\",\"local\":{\"addr\":\"");
    else
      out = put(out, ",\"family\":\"ipv6\",\"local\":{\"addr\":\"");
    out = address(out, info.flow.local, info.flow.family);
    return put(out, "\",\"port\":");
  });
}

char* remote(char* to, const SocketInfo& info) {
  constinit thread_local KnownTexts<Where, HashOfWhere, 80, 1024> known;
  const Where where{.addr = info.flow.remote.addr, .family = info.flow.family};
  return known.put(to, where, [&info](char* out) {
    out = put(out, "},\"remote\":{\"addr\":\"");
    out = address(out, info.flow.remote, info.flow.family);
    return put(out, "\",\"port\":");
  });
}

char* role(char* to, Role role) {
  constinit thread_local KnownTexts<Role, HashOfRole, 32, 4> known;
  return known.put(to, role, [role](char* out) {
    out = put(out, "},\"role\":");
    out = word(out, name(role));
    return put(out, ",\"owner\":");
  });
}

}  // namespace

char* owner(char* to, const std::optional<Owner>& owner) {
  if (!owner) return put(to, "null");
  constinit thread_local KnownTexts<Owner, HashOfOwner, 160, 256> known;
  return known.put(to, *owner, [&owner](char* out) {
    out = put(out, "{\"pid\":");
    if (owner->process.pid != 0)
      out = number(out, owner->process.pid);
    else
      out = put(out, "null");
    out = put(out, ",\"comm\":");
    out = write_json_string(out, owner->process.comm_view());
    out = put(out, ",\"uid\":");
    out = number(out, owner->process.uid);
    out = put(out, ",\"via\":");
    out = word(out, name(owner->via));
    return put(out, '}');
  });
}

namespace {

char* make_socket(char* to, const SocketInfo& info) {
  if (info.cookie != 0) {
    to = put(to, ",\"cookie\":\"");
    to = hex(to, info.cookie);
    to = put(to, "\",\"life\":");
  } else {
    to = put(to, ",\"cookie\":null,\"life\":");
  }
  to = number(to, info.life);
  to = local(to, info);
  to = number(to, info.flow.local.port);
  to = remote(to, info);
  to = number(to, info.flow.remote.port);
  to = role(to, info.role);
  to = owner(to, info.owner);
  to = put(to, ",\"cgroup\":");
  if (info.cgroup.empty()) return put(to, "null");
  return write_json_string(to, info.cgroup);
}

// The text of recent sockets: the lines of one differ only in what follows.
class KnownSockets {
 public:
  char* put(char* to, const SocketInfo& info) {
    Entry& entry = entries_[spread(info.cookie) % kEntries];
    if (entry.size == 0 || !(entry.info == info)) {
      if (info.cgroup.size() > kMostCgroup) return make_socket(to, info);
      entry.info = info;
      std::copy(info.cgroup.begin(), info.cgroup.end(), entry.cgroup.begin());
      entry.info.cgroup = {entry.cgroup.data(), info.cgroup.size()};
      entry.size =
          static_cast<std::size_t>(make_socket(entry.text.data(), info) - entry.text.data());
    }
    return text(to, {entry.text.data(), entry.size});
  }

 private:
  static constexpr std::size_t kEntries = 512;
  static constexpr std::size_t kMostCgroup = 96;
  // What make_socket() copies at once, and a cgroup of escapes.
  static constexpr std::size_t kMost = 640 + 6 * kMostCgroup;

  struct Entry {
    SocketInfo info;
    std::size_t size = 0;                    // 0: empty
    std::array<char, kMostCgroup> cgroup{};  // info.cgroup refers to it
    std::array<char, kMost> text{};
  };
  std::array<Entry, kEntries> entries_{};
};

}  // namespace

char* socket(char* to, const SocketInfo& info) {
  // Not among the thread's own variables, which take their room from the stack of each thread.
  thread_local const auto known = std::make_unique<KnownSockets>();
  return known->put(to, info);
}

char* change(char* to, State before, State after) {
  constinit thread_local KnownTexts<FromTo, HashOfFromTo, 48, 256> known;
  return known.put(to, {before, after}, [before, after](char* out) {
    out = put(out, ",\"from\":");
    out = word(out, name(before));
    out = put(out, ",\"to\":");
    return word(out, name(after));
  });
}

char* quoted_key(char* out, std::string_view name) {
  out = put(out, '"');
  out = text(out, name);
  out = put(out, "\":");
  return out;
}

char* head(char* out, const When& when) {
  out = time(out, when.unix_time);
  out = put(out, "\",\"mono_ns\":");
  return mono_ns(out, when.mono);
}

char* error(char* out, const std::optional<Nanos>& error) {
  if (error)
    out = number(out, error->count());
  else
    out = put(out, "null");
  return out;
}

char* count_or_null(char* out, const std::optional<std::uint64_t>& count) {
  if (count)
    out = number(out, *count);
  else
    out = put(out, "null");
  return out;
}

}  // namespace tcpdwell::json
