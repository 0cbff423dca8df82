#include "worker/start/sandbox.h"

#include <fmt/format.h>

namespace fsrv {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

constexpr std::string_view kNeedsCalls = "permissions = \"user\" needs the filter of system calls: "
                                         "without it a worker that is taken over "
                                         "could be any user";

void add(std::string& text, std::string_view wall, std::string_view why) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", wall, why);
}

} // namespace

std::string SandboxReport::text() const {
    return fmt::format("landlock={} seccomp={}",
                       landlock_abi > 0 ? fmt::format("{}", landlock_abi) : "none",
                       seccomp ? "on" : "none");
}

Result<SandboxReport, std::string> enter_sandbox(SandboxMode mode, int root_fd, Symlinks symlinks,
                                                 const SharedFds& shared) {
    SandboxReport report;
    if (mode == SandboxMode::off && !shared.accounts.empty())
        return unexpected(std::string(kNeedsCalls));
    if (mode == SandboxMode::off) return report;
    if (kSanitized) {
        report.missing = "this build has a sanitizer, which could not work inside";
    } else {
        if (const auto abi = confine_files(root_fd, symlinks); abi)
            report.landlock_abi = *abi;
        else
            add(report.missing, "Landlock", abi.error());
        if (const auto done = confine_calls(shared); done)
            report.seccomp = true;
        else
            add(report.missing, "seccomp", done.error());
    }
    if (!kSanitized && !report.seccomp && !shared.accounts.empty())
        return unexpected(fmt::format("{}; {}", kNeedsCalls, report.missing));
    if (mode == SandboxMode::on && !report.missing.empty()) return unexpected(report.missing);
    return report;
}

} // namespace fsrv
