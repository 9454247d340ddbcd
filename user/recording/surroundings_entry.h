// SPDX-License-Identifier: Apache-2.0
// What an answer about a socket says beyond the socket's own state: an entry before the answer's.
#pragma once

#include "model/event.h"
#include "recording/pack.h"

namespace tcpdwell::recording {

bool has_surroundings(const InquiryEvent& answer);
void put_surroundings(Packer& packer, const InquiryEvent& answer);
// Valid only if unpacker.ok(). Fields that an older version did not write keep their defaults.
InquiryEvent get_surroundings(Unpacker& unpacker);
// Copies what put_surroundings() puts.
void add_surroundings(InquiryEvent& answer, InquiryEvent&& surroundings);

}  // namespace tcpdwell::recording
