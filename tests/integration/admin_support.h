// The admin process of a Server that was started with --admin 127.0.0.1:0.
#pragma once

#include "tests/support/prometheus.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"
#include "tests/worker/content/json.h"

#include <algorithm>
#include <cstdlib>
#include <gtest/gtest.h>
#include <string>
#include <string_view>

namespace fsrv::test {

using content::Json;
using content::JsonReader;

class Admin final {
  public:
    explicit Admin(const Server& server) : server_(server) {
        const auto line = server.log().await_line("status at ");
        if (!line) {
            ADD_FAILURE() << "no admin process";
            return;
        }
        const std::string_view url = std::string_view(*line).substr(line->rfind(':') + 1);
        port_ = static_cast<std::uint16_t>(std::strtoul(url.data(), nullptr, 10));
    }

    std::uint16_t port() const { return port_; }
    Response get(std::string_view target, std::string_view fields = "") const {
        return fetch(port_, target, fields);
    }
    Exposition metrics() const {
        const Response response = get("/metrics");
        EXPECT_EQ(response.status, 200) << response.body;
        Exposition exposition = read_exposition(response.body);
        for (const std::string& problem : exposition.problems) ADD_FAILURE() << problem;
        return exposition;
    }
    Json status() const {
        const Response response = get("/status", "Accept: application/json\r\n");
        EXPECT_EQ(response.status, 200) << response.body;
        const auto json = JsonReader::read(response.body);
        EXPECT_TRUE(json) << response.body;
        return json.value_or(Json{});
    }
    static std::uint64_t number(const Json& json) {
        return std::strtoull(json.text.c_str(), nullptr, 10);
    }
    // Those that the status names.
    std::vector<pid_t> workers() const {
        std::vector<pid_t> pids;
        const Json now = status();
        for (const Json& worker : now["workers"].items)
            if (number(worker["pid"]) != 0)
                pids.push_back(static_cast<pid_t>(number(worker["pid"])));
        return pids;
    }
    // The child of the supervisor that is no worker; 0: none now.
    pid_t pid() const {
        const std::vector<pid_t> known = workers();
        for (const pid_t child : server_.workers())
            if (std::find(known.begin(), known.end(), child) == known.end()) return child;
        return 0;
    }
    // The line that a load balancer's agent gets.
    std::string agent(std::string_view word = "state\n") const {
        RawClient client(port_);
        client.send(word);
        return client.read_to_end();
    }

  private:
    const Server& server_;
    std::uint16_t port_ = 0;
};

} // namespace fsrv::test
