#include "worker/http/head_fields.h"

#include "worker/http/text.h"

#include <cstdint>

namespace fsrv::http {

void split_head(std::string& head, HeadFields& result) {
    result.fields.clear();
    result.status = std::string_view(head).substr(sizeof "HTTP/1.1", 3);
    std::size_t at = head.find("\r\n");
    while (at != std::string::npos) {
        const std::size_t begin = at + 2;
        at = head.find("\r\n", begin);
        const std::size_t end = at == std::string::npos ? head.size() : at;
        const std::size_t colon = head.find(':', begin);
        if (colon >= end) continue; // the empty line
        for (std::size_t i = begin; i < colon; ++i)
            if (head[i] >= 'A' && head[i] <= 'Z') head[i] = static_cast<char>(head[i] - 'A' + 'a');
        const std::string_view line(head);
        const std::string_view name = line.substr(begin, colon - begin);
        if (name == "connection" || name == "transfer-encoding") continue;
        result.fields.push_back(
            {.name = name, .value = trim(line.substr(colon + 1, end - colon - 1))});
    }
}

const HeadFields& SplitHeads::split(std::string_view head) {
    constexpr unsigned kSameAddress = 6; // bits that are alike of what is allocated
    const auto address = reinterpret_cast<std::uintptr_t>(head.data()) >> kSameAddress;
    Place& place = places_[(address ^ address / kPlaces) % kPlaces];
    if (place.head != head) {
        place.head = head;
        place.text = head;
        split_head(place.text, place.fields);
        for (Field& field : place.fields.fields) {
            auto known = names_.find(field.name);
            if (known == names_.end()) known = names_.emplace(field.name).first;
            field.name = *known;
        }
        place.fields.names_last = true;
    }
    return place.fields;
}

} // namespace fsrv::http
