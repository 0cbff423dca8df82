#include "supervisor/petitions.h"

#include "common/log.h"

#include <utility>

namespace fsrv {

std::vector<Petitions::Petition> Petitions::take() {
    std::vector<Petition> petitions;
    if (socket_ == nullptr) return petitions;
    for (const ControlSocket::Request& request : socket_->take_requests()) {
        const auto command = parse_ctl_command(request.text);
        if (!command) {
            socket_->answer(request.client, false, "expected " + expected_ctl_command());
            continue;
        }
        log_debug("--ctl {}", request.text);
        petitions.push_back({.client = request.client, .command = *command});
    }
    return petitions;
}

void Petitions::answer(const Petition& petition, bool good, std::string_view text, int fd) {
    if (socket_ != nullptr) socket_->answer(petition.client, good, text, fd);
}

void Petitions::wait_for_next(const Petition& petition) {
    waiting_next_[petition.command.kind].push_back(petition.client);
}

void Petitions::wait(const Petition& petition) {
    waiting_[petition.command.kind].push_back(petition.client);
}

void Petitions::begin(CtlKind kind) {
    waiting_[kind] = std::exchange(waiting_next_[kind], {});
}

bool Petitions::is_awaited(CtlKind kind) const {
    const auto clients = waiting_.find(kind);
    return clients != waiting_.end() && !clients->second.empty();
}

void Petitions::answer(CtlKind kind, bool good, std::string_view text) {
    answer_all(waiting_[kind], good, text);
}

void Petitions::refuse_next(CtlKind kind, std::string_view text) {
    answer_all(waiting_next_[kind], false, text);
}

void Petitions::answer_all(Clients& clients, bool good, std::string_view text) {
    for (const unsigned client : std::exchange(clients, {}))
        if (socket_ != nullptr) socket_->answer(client, good, text);
}

void Petitions::append_fds(std::vector<pollfd>& fds) const {
    if (socket_ != nullptr) socket_->append_fds(fds);
}

void Petitions::own() {
    if (socket_ != nullptr) socket_->own();
}

void Petitions::forget() {
    if (socket_ != nullptr) socket_->forget();
}

} // namespace fsrv
