// SPDX-License-Identifier: Apache-2.0
// The terminal of a full-screen program: raw mode and the alternate screen, from enter() to
// leave(). However the process ends, except by SIGKILL, the terminal is as it was: by return, by
// std::terminate(), by a signal or a crash. One object per process.
#pragma once

#include <optional>
#include <string>

#include "top/view.h"
#include "util/result.h"
#include "util/unique_fd.h"

namespace tcpdwell::top {

class Terminal {
 public:
  // Blocks SIGWINCH, SIGTSTP and SIGCONT: call it before any other thread exists. Errors: standard
  // input or output is not a terminal.
  static Result<Terminal> open();
  Terminal(Terminal&& other) noexcept;
  Terminal& operator=(Terminal&&) = delete;
  ~Terminal() { leave(); }

  void enter();
  void leave();
  bool entered() const;

  Size size() const;
  int input() const;
  // Readable when its size has changed, or it has to be entered again.
  int changes() const { return changes_.get(); }
  struct Change {
    bool size = false, suspend = false, resumed = false;
  };
  Change take_changes();
  // Leaves, stops this process until it is continued, and enters again.
  void suspend();
  // Does not block. nullopt: the terminal is gone.
  std::optional<std::string> read();

 private:
  explicit Terminal(UniqueFd changes) : changes_(std::move(changes)) {}

  UniqueFd changes_;
  bool owner_ = true;
};

}  // namespace tcpdwell::top
