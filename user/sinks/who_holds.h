// SPDX-License-Identifier: Apache-2.0
// Clauses about the processes of a group: which have its sockets open, how they got them, and what
// keeps them from running. The results are printable.
#pragma once

#include <string>

#include "leaks/diagnosis.h"
#include "leaks/leak_groups.h"

namespace tcpdwell {

// "python3[4711]"; with the name of the program if that is more telling than the comm.
std::string process_text(const LeakHolder& holder);
std::string program_text(const LeakHolder& holder);
// " in nginx.service"; empty if the holders may be in another service.
std::string in_service(const LeakGroup& group);
// "fd 9 of python3[4711] and fd 9 of worker[4712] in web.service"
std::string descriptors_text(const LeakGroup& group);
// "nginx[7] and nginx[8] in web.service"
std::string processes_text(const LeakGroup& group);
// "... is still open", or that no visible process has it open.
std::string who_holds(const LeakGroup& group);
// "; uploader[12] accepted it, ...". May be empty.
std::string more_about_holders(const LeakGroup& group, const Diagnosis& diagnosis);
// "; the other end is fd 5 of client[123] in FIN_WAIT_2". May be empty.
std::string other_end_text(const LeakGroup& group);
// "client[123]"; empty: no visible process at the other end.
std::string other_process_text(const LeakGroup& group);

}  // namespace tcpdwell
