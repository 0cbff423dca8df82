// A copy of bytes that nobody can change any more, this process included: a sealed memfd. What is
// lent of it to a socket stays as it is, whatever becomes of the file it was read from.
#pragma once

#include "worker/http/body.h"

#include <memory>
#include <string_view>

namespace fsrv::net {

// Costs a descriptor, the bytes in whole pages, and about 1 KiB in the kernel. Nothing when the
// system has none of them left, or no memfd. Any thread.
std::shared_ptr<const http::OpenFile> make_sealed_copy(std::string_view bytes);

} // namespace fsrv::net
