// SPDX-License-Identifier: Apache-2.0
// A line for each finished connection, with the columns of tcplife(8) and how it ended:
//
//   PID     COMM             LADDR           LPORT RADDR           RPORT     TX     RX        MS
//   ENDED
// TX and RX are bytes; MS is the time from the first state to the last one but LISTEN and
// TIME_WAIT. On a narrow terminal, the addresses are in a line above, which is not repeated while
// they are the same; on a wide one, so are addresses that are too long for their columns.
#pragma once

#include <string>

#include "model/record.h"
#include "sinks/text_layout.h"
#include "sinks/text_line.h"

namespace tcpdwell {

class ConnectionColumns {
 public:
  void put_header(TextLine& line, const TextLayout& layout) const;
  // The line above; empty: none.
  std::string context(const ConnectionRecord& record, const TextLayout& layout,
                      const std::string& place) const;
  // `place`: behind the line, where no terminal limits its length.
  void put(TextLine& line, const ConnectionRecord& record, const TextLayout& layout,
           const std::string& place) const;
};

}  // namespace tcpdwell
