// SPDX-License-Identifier: Apache-2.0
// Owners of libevent's objects.
#pragma once

#include <event2/event.h>
#include <event2/http.h>

#include <memory>

namespace tcpdwell::exporter {

template <auto Free>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using BasePtr = std::unique_ptr<event_base, FreeWith<event_base_free>>;
using HttpPtr = std::unique_ptr<evhttp, FreeWith<evhttp_free>>;
using EventPtr = std::unique_ptr<event, FreeWith<event_free>>;

}  // namespace tcpdwell::exporter
