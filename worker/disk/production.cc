#include "worker/disk/production.h"

#include <utility>

namespace fsrv::disk {

Production::~Production() {
    chunks.give_back(chunk);
    stream.producer.reset();
    if (closer) closer->let_go(std::move(stream.file));
}

void Production::run() {
    if (!chunk) chunk = chunks.take();
    made = chunk ? stream.producer->produce({chunk->data(), chunk->capacity})
                 : http::Producer::Made{.state = http::Producer::State::broken};
}

} // namespace fsrv::disk
