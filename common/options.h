// The configuration: a plain value, made once from flags, FSRV_* variables, the TOML file and the
// defaults (in this order of precedence), out of the one table in options.def.
#pragma once

#include "common/clock.h"
#include "common/link_order.h"
#include "common/log.h"
#include "common/network.h"
#include "common/result.h"
#include "common/rules.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv {

enum class IoMode { automatic, threads, inline_ };
enum class Symlinks { inside, never, follow };
enum class InPlaceWrites {
    on,     // files may be written anywhere
    off,    // they are only replaced
    append, // or they grow, and what was there stays
};
enum class Compression { automatic, off };
enum class SandboxMode { automatic, on, off };
enum class TlsVersion { tls_1_2, tls_1_3 };
enum class LogFormat { combined, extended, json };

// A number with up to three decimals.
struct Thousandths {
    std::uint64_t count = 0; // 1500: 1.5
    friend bool operator==(const Thousandths&, const Thousandths&) = default;
};

// How many worker processes there may be. One number: both are it.
struct WorkerRange {
    unsigned least = 1;
    unsigned most = 1;
    bool automatic = false; // "auto": as many as there are CPUs that it may use
    bool elastic() const { return least != most; }
    friend bool operator==(const WorkerRange&, const WorkerRange&) = default;
};

// The C++ type of each Type in options.def. Text that a parser accepts stands beside it.
namespace option_type {
using Text = std::string;
using ListenPlace = std::string;           // 127.0.0.1:9090, [::1]:9090, unix:PATH; empty: none
using TextList = std::vector<std::string>; // repeated flag; commas in a variable; array in a file
using OnOff = bool;                        // on, off, true, false, yes, no, 1, 0
using Port = std::uint16_t;                // 0 to 65535
using Count = unsigned;                    // a decimal number
using Fraction = Thousandths;              // 10, 0.5
using FileMode = std::optional<unsigned>;  // octal, up to 0777; auto: none
using Workers = WorkerRange;               // 4, 1..4 (at most limits::kMaxWorkers), auto
using Size = std::uint64_t;                // bytes: 65536, 64KiB, 64K, 1M, 2GiB (K = KiB = 1024)
using Duration = Millis;                   // 500ms, 10s, 5m, 1h; nothing is 0 or 0s
using IoMode = fsrv::IoMode;
using Symlinks = fsrv::Symlinks;
using InPlaceWrites = fsrv::InPlaceWrites; // append, or as OnOff
using Compression = fsrv::Compression;
using Sandbox = SandboxMode;
using Networks = std::vector<Network>; // as TextList: 192.0.2.0/24, 2001:db8::1, unix
using TlsMin = TlsVersion;
using LogFormat = fsrv::LogFormat;
using LogLevelName = LogLevel;
} // namespace option_type

// What --tls-cert says instead of a file: a certificate is made for this start.
inline constexpr std::string_view kAutoCertificate = "auto";

struct Options {
#define FSRV_GROUP(title)
#define FSRV_SELDOM()
#define FSRV_OPTION(type, field, name, metavar, fallback, meaning) option_type::type field{};
#include "common/options.def"
#undef FSRV_GROUP
#undef FSRV_SELDOM
#undef FSRV_OPTION

    Rules rules; // of the configuration file alone

    bool speaks_tls() const {
        return !tls_certs.empty();
    }
    bool makes_certificate() const {
        return tls_certs.size() == 1 && tls_certs.front() == kAutoCertificate;
    }
    // Something is counted by client: common/client_table.h.
    bool limits_clients() const {
        return client_rate > 0 || total_rate > 0 || client_connections > 0 ||
               client_requests.count > 0 || rules.have_rates();
    }
    bool counts_clients() const {
        return limits_clients() || (rules.any() && auth_failures > 0);
    }
    friend bool operator==(const Options&, const Options&) = default;
};

// What the command line asks for besides serving.
enum class Action { serve, check, dump_config, print_and_exit, ctl, sign, hash_password };

// By the name of an option, what a message about its value begins with: "--root", "FSRV_ROOT",
// "fsrv.toml:3: root". Those that have their default are not there.
using Places = std::map<std::string_view, std::string>;

struct Invocation {
    Action action = Action::serve;
    Options options;
    Places places;
    std::string command; // of ctl: "reload", "workers 3"; of hash_password: the user's name
    LinkOrder link = {}; // of sign
    std::string output;  // the text that dump_config and print_and_exit (--help, --version) print
    std::string config;  // the file that was read; empty: none
    std::vector<std::string> warnings = {}; // of variables that are passed over: a line each
};

// Why a command line, variable or file was refused: one line, complete, ready to print after "fsrv:
// ".
struct UsageError {
    std::string message;
};

// Reads everything. `environment` is a NULL-terminated envp. Touches the file system only to read
// --config FILE. Unknown or bad option, variable (FSRV_ anything, but for what Kubernetes and
// others set) or key: which one, where (flag, variable, file:line), what was expected. For ctl only
// what says where the server listens is settled: the file is left alone where a flag or a variable
// says it.
Result<Invocation, UsageError> parse_invocation(int argc, const char* const* argv,
                                                const char* const* environment);

// Only what a configuration file with this content says, as --dump-config would show it. For tests.
Result<Invocation, UsageError> parse_config(std::string_view toml, std::string_view file_name);

} // namespace fsrv
