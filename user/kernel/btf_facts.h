// SPDX-License-Identifier: Apache-2.0
// Facts from the BTF of the running kernel about functions that differ between kernels.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "util/result.h"

struct btf;

namespace tcpdwell {

class BtfFacts {
 public:
  static Result<BtfFacts> load();

  // How many arguments tp_btf/`name` takes; nullopt: no such tracepoint.
  std::optional<unsigned> tracepoint_args(const char* name) const;
  // How many parameters the function has; nullopt: no such function in BTF.
  std::optional<unsigned> function_args(const char* name) const;
  // The BTF id for attaching; nullopt: no such function.
  std::optional<std::uint32_t> function_id(const char* name) const;
  // The value of an enumerator; 0: no such enum or name.
  std::uint32_t enumerator(const char* enum_name, const char* name) const;

 private:
  struct Free {
    void operator()(btf* b) const noexcept;
  };
  explicit BtfFacts(btf* b) : btf_(b) {}
  std::unique_ptr<btf, Free> btf_;
};

// Whether fexit programs can be attached. Tries it.
bool can_trace_functions(const BtfFacts& btf);

}  // namespace tcpdwell
