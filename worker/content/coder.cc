#include "worker/content/coder.h"

namespace fsrv::content {

std::unique_ptr<Coder> make_coder(http::Coding coding, Effort effort, std::uint64_t size) {
    switch (coding) {
    case http::Coding::identity: return nullptr;
    case http::Coding::zstd: return make_zstd_coder(effort, size);
    case http::Coding::br: return make_br_coder(effort, size);
    case http::Coding::gzip: return make_gzip_coder(effort);
    }
    return nullptr;
}

} // namespace fsrv::content
