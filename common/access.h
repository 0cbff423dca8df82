// May this process, as it is now, use a path so? A hint for a message: what is done later decides.
#pragma once

namespace fsrv {

// `mode`: R_OK, W_OK, X_OK. By the effective ids, where a sandbox of others lets that be asked
// (faccessat2), else by the real ones. False: errno says why.
bool may_access(int folder, const char* path, int mode);

} // namespace fsrv
