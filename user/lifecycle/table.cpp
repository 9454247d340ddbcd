// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/table.h"

#include <algorithm>
#include <utility>

namespace tcpdwell {
namespace {

// After this many flagged or recent connections, evict one of them.
constexpr std::size_t kMaxEvictionScan = 256;
constexpr std::size_t kKeptHeld = 16;  // capacity of ColdState::held that is kept for reuse
constexpr std::uint32_t kLargeTally = 1U << 31U;

unsigned spent_state(const Connection& connection, std::size_t slot) {
  return connection.spent_in >> (4 * slot) & 0xfU;
}

}  // namespace

ConnectionTable::ConnectionTable(std::size_t max)
    : max_(std::max<std::size_t>(max, 1)),
      by_cookie_(0, Hash<CookieKey>{{this}}, Equal<CookieKey>{{this}}),
      by_object_(0, Hash<ObjectKey>{{this}}, Equal<ObjectKey>{{this}}),
      by_flow_(0, Hash<FlowKey>{{this}}, Equal<FlowKey>{{this}}) {}

ConnectionTable::Id ConnectionTable::victim() {
  if (size_ < max_) return kNone;
  ++evicted_;
  for (std::size_t looked = 0;;) {
    const Id id = hand_;
    hand_ = hand_ + 1 == made_ ? 0 : hand_ + 1;
    Connection& connection = (*this)[id];
    if (!connection.used) continue;
    const bool flagged = connection.flag == FlagStage::Raised;
    if ((!connection.recent && !flagged) || ++looked == kMaxEvictionScan) return id;
    connection.recent = false;
  }
}

ConnectionTable::Id ConnectionTable::create() {
  Id id;
  if (free_.empty()) {
    if (made_ % kChunk == 0) slots_.push_back(std::make_unique<std::array<Connection, kChunk>>());
    id = made_++;
  } else {
    id = free_.back();
    free_.pop_back();
  }
  (*this)[id].used = (*this)[id].recent = true;
  ++size_;
  return id;
}

void ConnectionTable::erase(Id id) {
  forget_cookie(id);
  forget_object(id);
  forget_flow(id);
  Connection& connection = (*this)[id];
  release(connection);
  const std::uint32_t generation = connection.generation;
  connection = Connection{};
  connection.generation = generation + 1;
  free_.push_back(id);
  --size_;
}

void ConnectionTable::release(Connection& connection) {
  sites_.release(connection.site);
  processes_.release(connection.owner);
  processes_.release(connection.closer);
  drop_tally(connection);
  drop_minisock_start(connection);
  if (connection.cold == 0) return;
  ColdState& cold = cold_states_[connection.cold];
  cold.held.clear();
  if (cold.held.capacity() > kKeptHeld) cold.held.shrink_to_fit();
  cold.entered_error = {};
  cold.entered_earliest.reset();
  cold.errors = {};
  cold.times.reset();
  cold.life = 0;
  cold.syn_ack_retransmits = 0;
  cold.pending_event = std::monostate{};
  cold_states_.give_up(connection.cold);
  connection.cold = 0;
}

// --- indexes ----------------------------------------------------------------------------------

// Returns the id that had the key before; kNone: none.
template <typename Set>
ConnectionTable::Id ConnectionTable::put(Set& set, Id id) {
  const auto [it, is_new] = set.insert(id);
  if (is_new) return kNone;
  const Id before = *it;
  set.erase(it);
  set.insert(id);
  return before;
}

void ConnectionTable::index_cookie(Id id, std::uint64_t cookie) {
  forget_cookie(id);
  (*this)[id].cookie = cookie;
  if (const Id before = put(by_cookie_, id); before != kNone) (*this)[before].in_cookies = false;
  (*this)[id].in_cookies = true;
}

void ConnectionTable::index_object(Id id, std::uint64_t object) {
  forget_object(id);
  (*this)[id].object = object;
  if (const Id before = put(by_object_, id); before != kNone) (*this)[before].in_objects = false;
  (*this)[id].in_objects = true;
}

void ConnectionTable::index_flow(Id id) {
  if (const Id before = put(by_flow_, id); before != kNone) (*this)[before].in_flows = false;
  (*this)[id].in_flows = true;
}

void ConnectionTable::forget_cookie(Id id) {
  if ((*this)[id].in_cookies) by_cookie_.erase(id);
  (*this)[id].in_cookies = false;
}

void ConnectionTable::forget_object(Id id) {
  if ((*this)[id].in_objects) by_object_.erase(id);
  (*this)[id].in_objects = false;
}

void ConnectionTable::forget_flow(Id id) {
  if ((*this)[id].in_flows) by_flow_.erase(id);
  (*this)[id].in_flows = false;
}

void ConnectionTable::prefetch(Id id) const {
  const Connection& connection = (*this)[id];
  __builtin_prefetch(&connection, 1);
  __builtin_prefetch(&connection.remote, 1);
}

// --- shared and rare fields -------------------------------------------------------------------

Flow ConnectionTable::flow(const Connection& connection) const {
  const Site& site = sites_[connection.site];
  return {.local = {site.local, connection.local_port},
          .remote = {connection.remote, connection.remote_port},
          .netns_cookie = site.netns_cookie,
          .netns = site.netns,
          .family = site.family,
          .device = site.device};
}

bool ConnectionTable::has_flow(const Connection& connection, const Flow& flow) const {
  const Site& site = sites_[connection.site];
  return connection.local_port == flow.local.port && connection.remote_port == flow.remote.port &&
         same(connection.remote, flow.remote.addr) && same(site.local, flow.local.addr) &&
         site.netns_cookie == flow.netns_cookie && site.netns == flow.netns &&
         site.family == flow.family && site.device == flow.device;
}

void ConnectionTable::set_flow(Connection& connection, const Flow& flow) {
  connection.local_port = flow.local.port;
  connection.remote_port = flow.remote.port;
  connection.remote = flow.remote.addr;
  const std::uint32_t before = connection.site;
  port_ranges_.see(flow.netns_cookie);
  // There are at most as many sites as connections, far fewer than 30 bits can count.
  connection.site = sites_.refer({.local = flow.local.addr,
                                  .netns_cookie = flow.netns_cookie,
                                  .netns = flow.netns,
                                  .family = flow.family,
                                  .device = flow.device}) &
                    0x3fff'ffffU;
  sites_.release(before);
}

const Process* ConnectionTable::owner(const Connection& connection) const {
  return connection.owner == 0 ? nullptr : &processes_[connection.owner];
}

const Process* ConnectionTable::closer(const Connection& connection) const {
  return connection.closer == 0 ? nullptr : &processes_[connection.closer];
}

void ConnectionTable::set_owner(Connection& connection, const Process& process, Via via) {
  const std::uint32_t before = connection.owner;
  connection.owner = processes_.refer(process);
  connection.owner_via = via;
  processes_.release(before);
}

void ConnectionTable::set_closer(Connection& connection, const Process& process) {
  const std::uint32_t before = connection.closer;
  connection.closer = processes_.refer(process);
  processes_.release(before);
}

void ConnectionTable::copy_owner(Connection& to, const Connection& from) {
  if (from.owner == 0) return;
  const Process process = processes_[from.owner];
  set_owner(to, process, from.owner_via);
}

std::optional<Tally> ConnectionTable::tally(const Connection& connection) const {
  if (connection.tally == 0) return std::nullopt;
  if ((connection.tally & kLargeTally) != 0) return large_tallies_[connection.tally & ~kLargeTally];
  const SmallTally& small = small_tallies_[connection.tally];
  return Tally{.bytes_sent = small.bytes_sent,
               .bytes_received = small.bytes_received,
               .retransmits = small.retransmits,
               .srtt_us = small.srtt_us};
}

void ConnectionTable::set_tally(Connection& connection, const Tally& tally) {
  drop_tally(connection);
  if (std::max(tally.bytes_sent, tally.bytes_received) > UINT32_MAX) {
    const auto id = large_tallies_.create();
    large_tallies_[id] = tally;
    connection.tally = id | kLargeTally;
    return;
  }
  connection.tally = small_tallies_.create();
  small_tallies_[connection.tally] = {
      .bytes_sent = static_cast<std::uint32_t>(tally.bytes_sent),
      .bytes_received = static_cast<std::uint32_t>(tally.bytes_received),
      .retransmits = tally.retransmits,
      .srtt_us = tally.srtt_us};
}

void ConnectionTable::drop_tally(Connection& connection) {
  if ((connection.tally & kLargeTally) != 0)
    large_tallies_.give_up(connection.tally & ~kLargeTally);
  else if (connection.tally != 0)
    small_tallies_.give_up(connection.tally);
  connection.tally = 0;
}

const MinisockStart* ConnectionTable::minisock_start(const Connection& connection) const {
  return connection.minisock == 0 ? nullptr : &starts_[connection.minisock];
}

void ConnectionTable::set_minisock_start(Connection& connection, const MinisockStart& start) {
  if (connection.minisock == 0) connection.minisock = starts_.create();
  starts_[connection.minisock] = start;
}

void ConnectionTable::drop_minisock_start(Connection& connection) {
  if (connection.minisock != 0) starts_.give_up(std::exchange(connection.minisock, 0));
}

ColdState& ConnectionTable::cold_state(Connection& connection) {
  if (connection.cold == 0) connection.cold = cold_states_.create();
  return cold_states_[connection.cold];
}

const ColdState* ConnectionTable::find_cold_state(const Connection& connection) const {
  return connection.cold == 0 ? nullptr : &cold_states_[connection.cold];
}

void ConnectionTable::tidy(Connection& connection) {
  if (connection.cold == 0) return;
  ColdState& cold = cold_states_[connection.cold];
  const bool needed = !cold.held.empty() || connection.pending_end != PendingEnd::None ||
                      connection.origin_lost || cold.times || cold.life != 0 ||
                      cold.entered_error != Nanos{0} || cold.entered_earliest ||
                      cold.errors != decltype(cold.errors){} || cold.syn_ack_retransmits != 0;
  if (needed) return;
  cold.pending_event = std::monostate{};
  cold_states_.give_up(std::exchange(connection.cold, 0));
}

std::uint32_t ConnectionTable::life(const Connection& connection) const {
  return connection.cold == 0 ? 0 : cold_states_[connection.cold].life;
}

void ConnectionTable::set_life(Connection& connection, std::uint32_t life) {
  if (life != 0 || connection.cold != 0) cold_state(connection).life = life;
}

// --- times ------------------------------------------------------------------------------------

Nanos ConnectionTable::entered_error(const Connection& connection) const {
  return connection.cold == 0 ? Nanos{0} : cold_states_[connection.cold].entered_error;
}

void ConnectionTable::set_entered_error(Connection& connection, Nanos error) {
  if (error == Nanos{0} && connection.cold == 0) return;
  cold_state(connection).entered_error = error;
  cold_state(connection).entered_earliest.reset();
}

std::optional<Nanos> ConnectionTable::entered_earliest(const Connection& connection) const {
  return connection.cold == 0 ? std::nullopt : cold_states_[connection.cold].entered_earliest;
}

void ConnectionTable::set_entered_earliest(Connection& connection, std::optional<Nanos> earliest) {
  if (!earliest && connection.cold == 0) return;
  cold_state(connection).entered_error = {};
  cold_state(connection).entered_earliest = earliest;
}

void ConnectionTable::spend(Connection& connection, State state, Nanos dwell, Nanos error,
                            bool lower_bound) {
  std::size_t slot = 0;
  while (slot < Connection::kSpentSlots && spent_state(connection, slot) != 0 &&
         spent_state(connection, slot) != index(state))
    ++slot;
  const bool apart = connection.cold != 0 && cold_states_[connection.cold].times;
  if (slot == Connection::kSpentSlots || apart) {
    if (!apart) move_to_cold(connection);
    StateTime& time = (*cold_states_[connection.cold].times)[index(state)];
    time.visited = true;
    time.total += dwell;
    time.error = sum_of_errors(time.error, error);
    time.lower_bound |= lower_bound;
    return;
  }
  connection.spent_in =
      static_cast<std::uint16_t>(connection.spent_in | index(state) << (4 * slot));
  connection.spent[slot] += dwell;
  if (lower_bound)
    connection.spent_bounds =
        static_cast<std::uint8_t>(connection.spent_bounds | 1U << slot) & 0xfU;
  if (error == Nanos{0}) return;
  Nanos& sum = cold_state(connection).errors[slot];
  sum = sum_of_errors(sum, error);
}

void ConnectionTable::move_to_cold(Connection& connection) {
  const auto so_far = times(connection);
  cold_state(connection).times = std::make_unique<std::array<StateTime, kStates>>(so_far);
}

std::array<StateTime, kStates> ConnectionTable::times(const Connection& connection) const {
  const ColdState* cold = find_cold_state(connection);
  if (cold != nullptr && cold->times) return *cold->times;
  std::array<StateTime, kStates> times{};
  for (std::size_t slot = 0; slot < Connection::kSpentSlots; ++slot) {
    const unsigned state = spent_state(connection, slot);
    if (state == 0) break;
    times[state] = {.total = connection.spent[slot],
                    .error = cold != nullptr ? cold->errors[slot] : Nanos{0},
                    .visited = true,
                    .lower_bound = (connection.spent_bounds >> slot & 1U) != 0};
  }
  return times;
}

}  // namespace tcpdwell
