#include "supervisor/start/credentials.h"

#include "common/ascii.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

namespace fsrv {
namespace {

StartError refused_value(std::string_view option, std::string message) {
    return {.exit_status = kExitUsage, .message = std::move(message), .option = option};
}

std::optional<unsigned> parse_id(const std::string& text) {
    const auto id = to_number<unsigned>(text);
    // The highest number means "leave it as it is" to setuid()'s relatives.
    return id == ~0U ? std::nullopt : id;
}

struct User {
    uid_t uid;
    std::optional<gid_t> gid; // none: the number is nobody's entry
    std::string name;
};

Result<User, StartError> look_up_user(const std::string& text) {
    const auto id = parse_id(text);
    const passwd* entry = getpwnam(text.c_str());
    if (entry == nullptr && id) entry = getpwuid(*id);
    if (entry != nullptr) return User{entry->pw_uid, entry->pw_gid, entry->pw_name};
    if (id) return User{*id, std::nullopt, {}};
    return unexpected(
        refused_value("user", fmt::format("there is no user \"{}\"; see \"getent passwd\"", text)));
}

Result<gid_t, StartError> look_up_group(const std::string& text) {
    if (const group* entry = getgrnam(text.c_str())) return entry->gr_gid;
    if (const auto id = parse_id(text)) return *id;
    return unexpected(refused_value(
        "group", fmt::format("there is no group \"{}\"; see \"getent group\"", text)));
}

} // namespace

Result<std::optional<Credentials>, StartError> look_up_credentials(const std::string& user,
                                                                   const std::string& group) {
    if (user.empty() && group.empty()) return std::nullopt;
    const bool root = geteuid() == 0;
    Credentials wanted{.uid = geteuid(), .gid = getegid()};
    if (!user.empty()) {
        auto found = look_up_user(user);
        if (!found) return unexpected(std::move(found.error()));
        if (!found->gid && group.empty())
            return unexpected(refused_value(
                "user",
                fmt::format("{} has no entry, so its group is unknown; give --group too", user)));
        wanted = {
            .uid = found->uid, .gid = found->gid.value_or(0), .user_name = std::move(found->name)};
    } else if (root) {
        return unexpected(refused_value(
            "group", "wants --user too: root with another group would still be root"));
    }
    if (!group.empty()) {
        auto found = look_up_group(group);
        if (!found) return unexpected(std::move(found.error()));
        wanted.gid = *found;
    }
    if (wanted.uid == geteuid() && wanted.gid == getegid()) return std::nullopt;
    if (!root)
        return unexpected(refused_value(
            user.empty() ? "group" : "user",
            fmt::format("only root can become somebody else, and this is user {}; start as root, "
                        "or leave it out",
                        geteuid())));
    return wanted;
}

} // namespace fsrv
