// SPDX-License-Identifier: Apache-2.0
// Copies of this process as it was at earlier times of a replay: to go back, one of them goes on
// from there. The table of a replay cannot be rewound, and a copy of everything that refers to it
// would be as large as the table, for each second of the recording. fork() copies only the pages
// that change until the next one.
//
// Each keyframe waits in a process of its own. Asked to go on, it makes a child that does, and
// waits for the next time. The child talks to the process that made the keyframes.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/record.h"
#include "util/unique_fd.h"

namespace tcpdwell {

class Keyframes {
 public:
  // Ends a child that was made from a keyframe: its result is sent to the asker.
  using Continue = std::function<std::string(const std::string& question, int asker)>;

  ~Keyframes() { clear(); }

  // Keeps this process as it is now, at `when`. `proceed` runs in the child that goes on from here;
  // `asker` becomes readable when nobody waits for its result any more. False: fork() failed.
  bool keep(const When& when, const Continue& proceed);
  std::size_t size() const { return frames_.size(); }
  const When& when(std::size_t frame) const { return frames_[frame].when; }
  // Drops every second one.
  void thin_out();

  // Sends the question; true if it was.
  bool ask(std::size_t frame, const std::string& question) const;
  // Readable when the answer is there.
  int fd(std::size_t frame) const { return frames_[frame].socket.get(); }
  // nullopt: the child failed.
  std::optional<std::string> answer(std::size_t frame) const;

  void clear();

 private:
  struct Frame {
    When when;
    UniqueFd socket;
    pid_t pid = -1;
  };
  [[noreturn]] static void wait_to_be_asked(int socket, const Continue& proceed);

  std::vector<Frame> frames_;
};

}  // namespace tcpdwell
