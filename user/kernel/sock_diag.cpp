// SPDX-License-Identifier: Apache-2.0
#include "kernel/sock_diag.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <unordered_map>

#include "kernel/diag_channel.h"
#include "kernel/diag_info.h"
#include "kernel/programs.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kBatch = 64;  // queries sent before their answers are read
constexpr std::size_t kMany = 256;  // from here on, listing all sockets in these states is cheaper
constexpr std::uint32_t kAllStates = ~0U;
constexpr std::size_t kFewDevices = 16;  // up to here a look-up on each is cheaper than a list

struct Request {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

// Pairs of such sockets can be the two sides of a relay: see ByteCounts.
bool asks_for_bytes(const Question& question) {
  return question.for_flag &&
         (question.state == State::CloseWait || question.state == State::FinWait2);
}

// `device`: only sockets bound to it, or to none. 0: the socket's own device, if known.
Request request_for(const Question& question, std::uint32_t sequence, std::uint32_t device) {
  Request request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.header.nlmsg_seq = sequence;
  request.body.sdiag_family = static_cast<std::uint8_t>(question.flow.family);
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = kAllStates;
  if (asks_for_bytes(question)) request.body.idiag_ext = kAskInfo;
  inet_diag_sockid& id = request.body.id;
  id.idiag_sport = htons(question.flow.local.port);
  id.idiag_dport = htons(question.flow.remote.port);
  std::memcpy(id.idiag_src, question.flow.local.addr.data(), sizeof id.idiag_src);
  std::memcpy(id.idiag_dst, question.flow.remote.addr.data(), sizeof id.idiag_dst);
  const bool known = question.flow.device != Flow::kUnknownDevice;
  id.idiag_if = device == 0 && known ? question.flow.device : device;
  id.idiag_cookie[0] = id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  if (question.cookie != 0) {
    id.idiag_cookie[0] = static_cast<std::uint32_t>(question.cookie);
    id.idiag_cookie[1] = static_cast<std::uint32_t>(question.cookie >> 32U);
  }
  return request;
}

std::uint64_t cookie_of(const inet_diag_msg& found) {
  return found.id.idiag_cookie[0] | std::uint64_t{found.id.idiag_cookie[1]} << 32U;
}

// The timer of a retransmission runs whenever data is on its way.
SendWait wait_of(std::uint8_t timer, std::uint8_t retransmits) {
  constexpr std::uint8_t kRetransmit = 1, kWindowProbe = 4;
  if (timer == kWindowProbe) return SendWait::WindowProbe;
  return timer == kRetransmit && retransmits > 0 ? SendWait::Retransmit : SendWait::None;
}

// The kernel shows a minisock's substate in idiag_state; its timer is of kind 3 (TIME_WAIT).
void learn(InquiryEvent& answer, const nlmsghdr& header) {
  const inet_diag_msg& found = message(header);
  constexpr std::uint8_t kTimeWaitTimer = 3;
  const auto state = to_state(found.idiag_state);
  if (!state || *state == State::Closed) return;  // bound, and no connection any more
  answer.presence = Presence::Present;
  answer.state = *state;
  answer.kind = SocketKind::Full;
  if (found.idiag_timer == kTimeWaitTimer) answer.kind = SocketKind::Minisock;
  if (*state == State::SynReceived && found.idiag_inode == 0) answer.kind = SocketKind::Request;
  answer.cookie = cookie_of(found);
  answer.local.port = ntohs(found.id.idiag_sport);
  answer.attached = answer.kind == SocketKind::Full && found.idiag_inode != 0;
  answer.receive_queue = found.idiag_rqueue;
  answer.send_queue = found.idiag_wqueue;
  if (answer.kind == SocketKind::Full)
    answer.send_wait = wait_of(found.idiag_timer, found.idiag_retrans);
  const bool counts = *state == State::CloseWait || *state == State::FinWait2;
  if (answer.kind == SocketKind::Full && counts) answer.bytes = bytes_in(header, *state);
}

bool is_diag(const nlmsghdr& header) {
  return header.nlmsg_type == SOCK_DIAG_BY_FAMILY &&
         header.nlmsg_len >= NLMSG_LENGTH(sizeof(inet_diag_msg));
}

// If there is no connection, the kernel returns the listener of the port; only a cookie
// distinguishes them.
bool is_asked_for(const Question& question, const inet_diag_msg& found) {
  return question.cookie != 0 || ntohs(found.id.idiag_dport) == question.flow.remote.port;
}

// An answer without a message: a negative errno, or 0 for success.
int error_of(const nlmsghdr& header) {
  int error = 0;
  if (header.nlmsg_len >= NLMSG_LENGTH(sizeof error))
    std::memcpy(&error, reinterpret_cast<const std::byte*>(&header) + NLMSG_HDRLEN, sizeof error);
  return error;
}

// The kernel answers each query in order, with the socket or an error. Returns false on any error
// other than "no such socket".
bool look_up(DiagChannel& diag, std::span<const std::size_t> which,
             std::span<const Question> questions, std::span<InquiryEvent> answers,
             std::uint32_t device) {
  std::array<Request, kBatch> requests;
  for (std::size_t k = 0; k < which.size(); ++k)
    requests[k] = request_for(questions[which[k]], static_cast<std::uint32_t>(which[k]), device);
  if (!diag.send(requests.data(), which.size() * sizeof(Request))) return false;
  std::size_t answered = 0;
  bool sure = true;
  const bool received = diag.receive([&](const nlmsghdr& header) {
    if (is_diag(header) && header.nlmsg_seq < answers.size() &&
        is_asked_for(questions[header.nlmsg_seq], message(header)))
      learn(answers[header.nlmsg_seq], header);
    const int error = header.nlmsg_type == NLMSG_ERROR ? error_of(header) : 0;
    if (error != 0 && error != -ENOENT && error != -ESTALE) sure = false;
    return ++answered < which.size();
  });
  return received && sure;
}

// The ends that a question without a cookie is about; comparable with those of an answer.
using Ends = std::array<std::byte, 2 * sizeof(Endpoint::addr) + 2 * sizeof(Endpoint::port) + 1 +
                                       sizeof(Flow::device)>;

Ends ends_of(const Endpoint& local, const Endpoint& remote, Family family, std::uint32_t device) {
  Ends ends{};
  std::byte* out = ends.data();
  const auto put = [&](const void* data, std::size_t size) {
    std::memcpy(out, data, size);
    out += size;
  };
  for (const Endpoint* end : {&local, &remote}) {
    put(end->addr.data(), end->addr.size());
    put(&end->port, sizeof end->port);
  }
  put(&family, sizeof family);
  put(&device, sizeof device);
  return ends;
}

Ends ends_of(const inet_diag_msg& found) {
  Endpoint local, remote;
  auto family = static_cast<Family>(found.idiag_family);
  std::memcpy(local.addr.data(), found.id.idiag_src, sizeof found.id.idiag_src);
  std::memcpy(remote.addr.data(), found.id.idiag_dst, sizeof found.id.idiag_dst);
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (family == Family::Ipv6 && std::equal(kMapped.begin(), kMapped.end(), remote.addr.begin())) {
    family = Family::Ipv4;
    for (Endpoint* end : {&local, &remote}) {
      std::copy(end->addr.begin() + 12, end->addr.end(), end->addr.begin());
      std::fill(end->addr.begin() + 4, end->addr.end(), std::uint8_t{0});
    }
  }
  local.port = ntohs(found.id.idiag_sport);
  remote.port = ntohs(found.id.idiag_dport);
  return ends_of(local, remote, family, found.id.idiag_if);
}

bool is_known(const Endpoint& end) {
  return end.port != 0 &&
         std::any_of(end.addr.begin(), end.addr.end(), [](std::uint8_t byte) { return byte != 0; });
}

// Whether look-ups, one for each device, find it if it is there: no list of all sockets is needed.
// One of several listeners on a port answers for all.
bool has_exact_lookup(const Question& question) {
  return question.for_end || (question.state != State::Listen && is_known(question.flow.local) &&
                              is_known(question.flow.remote));
}

// Questions that nothing was found for yet; of two about the same, the last counts.
struct Missing {
  std::unordered_map<std::uint64_t, std::size_t> by_cookie;
  std::map<Ends, std::size_t> by_ends;  // that have no cookie

  // `with_exact`: also those that have an exact look-up.
  Missing(std::span<const Question> questions, std::span<const InquiryEvent> answers,
          bool with_exact) {
    for (std::size_t i = questions.size(); i-- > 0;) {
      if (answers[i].presence != Presence::Gone || (has_exact_lookup(questions[i]) && !with_exact))
        continue;
      const Flow& flow = questions[i].flow;
      if (questions[i].cookie != 0)
        by_cookie.emplace(questions[i].cookie, i);
      else
        by_ends.emplace(ends_of(flow.local, flow.remote, flow.family, flow.device), i);
    }
  }
  bool empty() const { return by_cookie.empty() && by_ends.empty(); }
  std::optional<std::size_t> find(const inet_diag_msg& found) const {
    if (const auto it = by_cookie.find(cookie_of(found)); it != by_cookie.end()) return it->second;
    if (by_ends.empty()) return std::nullopt;
    const auto it = by_ends.find(ends_of(found));
    return it == by_ends.end() ? std::nullopt : std::optional(it->second);
  }
};

// Calls visit(header) for all sockets in `states`. False: the list is incomplete.
template <typename Visit>
bool list_all(DiagChannel& diag, Family family, std::uint32_t states, std::uint8_t extensions,
              Visit&& visit) {
  Request request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.sdiag_family = static_cast<std::uint8_t>(family);
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = states;
  request.body.idiag_ext = extensions;
  if (!diag.send(&request, sizeof request)) return false;
  bool whole = true;
  const bool received = diag.receive([&](const nlmsghdr& header) {
    if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) whole = false;
    const bool over = header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR;
    if (over && error_of(header) != 0) diag.refused = error_of(header);
    if (over) return false;
    if (is_diag(header)) visit(header);
    return true;
  });
  return received && whole && diag.refused == 0;
}

// Searches the list of all sockets in `states` for those not found yet. False: the list is
// incomplete. A v4-mapped socket is in the list of IPv6.
bool search(DiagChannel& diag, Family family, std::uint32_t states,
            std::span<const Question> questions, std::span<InquiryEvent> answers, bool with_exact) {
  const Missing missing(questions, answers, with_exact);
  if (missing.empty()) return true;
  const bool bytes = std::any_of(questions.begin(), questions.end(), asks_for_bytes);
  return list_all(diag, family, states, bytes ? kAskInfo : std::uint8_t{0},
                  [&](const nlmsghdr& header) {
                    if (const auto found = missing.find(message(header)))
                      learn(answers[*found], header);
                  });
}

// Most sockets are in their expected state.
void find_many(DiagChannel& diag, std::span<const Question> questions,
               std::span<InquiryEvent> answers) {
  std::uint32_t states = 0;
  for (const Question& question : questions) states |= 1U << index(question.state);
  const Nanos now = monotonic_now();
  for (InquiryEvent& answer : answers) answer.at = now;
  for (const Family family : {Family::Ipv4, Family::Ipv6})
    search(diag, family, states, questions, answers, true);
}

// Looks up, one by one, the sockets not found yet; with a device, only those that may be bound to
// it.
bool find_each(DiagChannel& diag, std::span<const Question> questions,
               std::span<InquiryEvent> answers, std::uint32_t device) {
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < questions.size(); ++i)
    if (answers[i].presence == Presence::Gone && (device == 0 || has_exact_lookup(questions[i])))
      left.push_back(i);
  bool sure = true;
  for (std::size_t at = 0; at < left.size(); at += kBatch) {
    const std::span these(left.data() + at, std::min(kBatch, left.size() - at));
    const Nanos now = monotonic_now();
    for (const std::size_t i : these) answers[i].at = now;
    if (!look_up(diag, these, questions, answers, device)) sure = false;
  }
  return sure;
}

// The devices of this network namespace. Empty: many, or unknown.
std::vector<std::uint32_t> few_devices() {
  std::vector<std::uint32_t> devices;
  struct if_nameindex* all = ::if_nameindex();
  if (all == nullptr) return devices;
  for (const auto* one = all; one->if_index != 0; ++one) devices.push_back(one->if_index);
  ::if_freenameindex(all);
  if (devices.size() > kFewDevices) devices.clear();
  return devices;
}

// Queries for probable ends are frequent: if all connections end unusually, listing all sockets
// each time would take too long. False: the list must be searched.
bool find_on_devices(DiagChannel& diag, std::span<const Question> questions,
                     std::span<InquiryEvent> answers) {
  const auto devices = few_devices();
  if (devices.empty()) return false;
  return std::all_of(devices.begin(), devices.end(), [&](std::uint32_t device) {
    return find_each(diag, questions, answers, device);
  });
}

}  // namespace

Result<std::vector<InquiryEvent>> ask_kernel(std::span<const Question> questions) {
  auto diag = DiagChannel::open();
  if (!diag) return diag.error();
  std::vector<InquiryEvent> answers(questions.size());
  for (std::size_t i = 0; i < questions.size(); ++i) {
    answers[i].id = questions[i].id;
    answers[i].generation = questions[i].generation;
    answers[i].serial = questions[i].serial;
    answers[i].presence = Presence::Gone;
  }
  const auto ends = static_cast<std::size_t>(std::count_if(
      questions.begin(), questions.end(), [](const Question& one) { return one.for_end; }));
  const bool portless = std::any_of(questions.begin(), questions.end(), [](const Question& one) {
    return one.state == State::Listen && one.flow.local.port == 0;
  });
  for (const Family family : {Family::Ipv4, Family::Ipv6})  // no look-up finds it, and it is no end
    if (portless) search(*diag, family, 1U << index(State::Listen), questions, answers, false);
  if (questions.size() - ends >= kMany) find_many(*diag, questions, answers);
  bool sure = find_each(*diag, questions, answers, 0);
  bool search_exact = false;
  for (std::size_t i = 0; i < questions.size(); ++i)
    if (answers[i].presence == Presence::Gone && has_exact_lookup(questions[i]))
      search_exact = true;
  // Looking up a socket that is bound to a device needs the device.
  search_exact = search_exact && !find_on_devices(*diag, questions, answers);
  for (const Family family : {Family::Ipv4, Family::Ipv6})
    if (!search(*diag, family, kAllStates, questions, answers, search_exact)) sure = false;
  if (diag->refused != 0)
    return system_error("asking for the state of sockets (sock_diag)", diag->refused,
                        "Load the module: modprobe tcp_diag");
  if (!sure)
    for (InquiryEvent& answer : answers)
      if (answer.presence == Presence::Gone) answer.presence = Presence::Unknown;
  return answers;
}

std::vector<std::uint16_t> bound_ports(std::uint16_t low, std::uint16_t high) {
  constexpr std::uint32_t kListening = 1U << index(State::Listen);
  constexpr std::uint32_t kBoundInactive = 1U << 13U;  // TCP_BOUND_INACTIVE, of sock_diag alone
  std::vector<std::uint16_t> ports;
  auto diag = DiagChannel::open();
  if (!diag) return ports;
  for (const Family family : {Family::Ipv4, Family::Ipv6})
    list_all(*diag, family, kListening | kBoundInactive, 0, [&](const nlmsghdr& header) {
      const std::uint16_t port = ntohs(message(header).id.idiag_sport);
      if (port >= low && port <= high) ports.push_back(port);
    });
  return ports;
}

std::optional<Listeners> find_listeners() {
  auto diag = DiagChannel::open();
  if (!diag) return std::nullopt;
  Listeners listeners;
  for (const Family family : {Family::Ipv4, Family::Ipv6}) {
    const bool whole =
        list_all(*diag, family, 1U << index(State::Listen), 0, [&](const nlmsghdr& header) {
          ++listeners.count;
          if (message(header).idiag_rqueue != 0) ++listeners.with_queue;
        });
    if (!whole) return std::nullopt;
  }
  return listeners;
}

std::vector<InquiryEvent> find_sockets(std::span<const Flow> flows) {
  std::vector<InquiryEvent> answers(flows.size());
  auto diag = DiagChannel::open();
  if (!diag) return answers;
  std::vector<Question> questions(flows.size());
  for (std::size_t i = 0; i < flows.size(); ++i) {
    questions[i].flow = flows[i];
    answers[i].presence = Presence::Gone;
  }
  find_each(*diag, questions, answers, 0);
  return answers;
}

}  // namespace tcpdwell
