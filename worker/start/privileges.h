// A worker gives up what it does not need, once, before it reads a byte of a client's.
#pragma once

#include "common/heritage.h"
#include "common/result.h"

#include <string>

namespace fsrv {

// Becomes `credentials` (supplementary groups, gid, uid) and proves that there is no way back; no
// core dump of a process that changed its user. Then, for everybody: no capabilities, but for
// CAP_DAC_READ_SEARCH (to read) where it is root all the same, and no new privileges through exec.
// Fails closed: the text says what went wrong.
// `lends_rights`: CAP_SETUID and CAP_SETGID are kept, for content::FsIdentity; then there is a way
// back, which the sandbox has to close.
Result<void, std::string> drop_privileges(const std::optional<Credentials>& credentials,
                                          bool lends_rights);

// SIGTERM when the supervisor dies. After drop_privileges(): a change of user clears it. False: it
// is dead already.
bool follow_into_death(pid_t supervisor_pid);

} // namespace fsrv
