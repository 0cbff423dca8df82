-- Requests for wrk: wrk -s wrk.lua URL -- MODE [NUMBER [TEXT]]
--   plain                the URL as it is
--   many N [FOLDER]      the URL followed by a random number below N and ".bin", in folders of FOLDER files
--   ranges SIZE          a random 64 KiB slice of SIZE bytes
--   multirange SIZE      four slices of 4 KiB in one request
--   etag 0 TAG           If-None-Match with that tag
--   gzip                 Accept-Encoding: gzip
--   close                one request per connection
-- Prints one line for loads.py.

local slice = 64 * 1024
local fixed

local function below(n) return math.floor(math.random() * n) end

local requests = {
    many = function(path, n, folder)
        return function()
            local i = below(n)
            return wrk.format(nil, path .. (folder and math.floor(i / folder) .. "/" or "") .. i .. ".bin")
        end
    end,
    ranges = function(path, size)
        return function()
            local first = below(size - slice)
            return wrk.format(nil, path, { Range = "bytes=" .. first .. "-" .. first + slice - 1 })
        end
    end,
    multirange = function(path, size)
        return function()
            local parts = {}
            for i = 1, 4 do
                local first = below(size - 4096)
                parts[i] = first .. "-" .. first + 4095
            end
            return wrk.format(nil, path, { Range = "bytes=" .. table.concat(parts, ",") })
        end
    end,
}
local headers = {
    etag = function(tag) return { ["If-None-Match"] = tag } end,
    gzip = function() return { ["Accept-Encoding"] = "gzip" } end,
    close = function() return { Connection = "close" } end,
}

function init(args)
    math.randomseed(os.time()) -- not the files again that were asked for in the round before
    local mode, number, text = args[1], tonumber(args[2]), args[3]
    if requests[mode] then
        request = requests[mode](wrk.path, number, tonumber(text))
    else
        fixed = wrk.format(nil, nil, headers[mode] and headers[mode](text) or nil)
        request = function() return fixed end
    end
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(99),
        e.status, e.connect + e.read + e.write + e.timeout))
end
