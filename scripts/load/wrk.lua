-- Sends the requests of an exported file with wrk, each line once per thread's share.
--
--   wrk -t 2 -c 64 -d 10s -s scripts/load/wrk.lua http://127.0.0.1:8080 -- requests.ndjson 2
--
-- The first argument behind `--` is the file, the second the number of threads (wrk's -t), so that
-- every thread takes lines of its own. A checkout uses its line up; when a thread has none left it
-- stops. A PUT or a GET may be sent again: `repeat` as the third argument starts over, with fresh keys.

local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

-- `splitcart loadtest` has written the fields as JSON: texts without escapes but those of a body.
local function field(line, name)
  local text = line:match('"' .. name .. '":"(.-[^\\])"')
  return text and text:gsub('\\(.)', { ['"'] = '"', ['\\'] = '\\', ['/'] = '/', n = '\n' })
end

local function fresh_key()
  return string.format("%08x-%04x-%04x-%08x", os.time(), number, math.random(0, 65535), counter)
end

function init(args)
  local file, count = args[1], tonumber(args[2] or "1")
  again = args[3] == "repeat"
  math.randomseed(os.time() + number * 7919)
  requests, counter, answered, statuses = {}, 0, 0, ""
  created, ok, refused, other = 0, 0, 0, 0
  local nr = 0
  for line in io.lines(file) do
    if nr % count == number then
      local url, body = field(line, "url"), field(line, "body")
      table.insert(requests, {
        method = field(line, "method"),
        path = url:match("^%w+://[^/]+(/.*)$"),
        body = body,
        key = field(line, "key"),
        token = field(line, "token"),
      })
    end
    nr = nr + 1
  end
end

function request()
  counter = counter + 1
  local index = counter
  if again then
    index = (counter - 1) % #requests + 1
  elseif counter > #requests then
    -- wrk asks before it knows that the thread stops: this request is not of the file.
    wrk.thread:stop()
    return wrk.format("GET", "/openapi.json")
  end
  local it = requests[index]
  local headers = { ["Authorization"] = "Bearer " .. it.token }
  if it.body then
    headers["Content-Type"] = "application/json"
    headers["Idempotency-Key"] = again and fresh_key() or it.key
  end
  return wrk.format(it.method, it.path, headers, it.body)
end

function response(status)
  if status == 201 then
    created = created + 1
  elseif status == 200 then
    ok = ok + 1
  elseif status == 503 or status == 429 then
    refused = refused + 1
  else
    other = other + 1
  end
end

function done(summary, latency)
  local counts = { created = 0, ok = 0, refused = 0, other = 0 }
  for _, thread in ipairs(threads) do
    for name in pairs(counts) do
      counts[name] = counts[name] + thread:get(name)
    end
  end
  local seconds = summary.duration / 1e6
  io.write(string.format(
    "201: %d, 200: %d, refused (503, 429): %d, others: %d, in %.2f s: %.0f a second\n",
    counts.created, counts.ok, counts.refused, counts.other, seconds,
    (counts.created + counts.ok) / seconds))
  io.write(string.format("p50 %.2f ms, p95 %.2f ms, p99 %.2f ms\n",
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
