-- Replays prepared callbacks with wrk: one JSON body a line, each sent once, split over wrk's threads.
--
--   recharge load --mix callback --requests 1000000 --emit-wrk DIR
--   wrk -t2 -c64 -d10s -s DIR/callback.lua http://127.0.0.1:8080 -- DIR/callbacks.txt 2
--
-- The last argument is wrk's number of threads (-t). A thread stops when its bodies are used up; wrk divides by
-- the whole duration all the same, so prepare more than can be sent: done() says when they were too few.

local threads = {}

function setup(thread)
  thread:set("thread_index", #threads)
  table.insert(threads, thread)
end

function init(args)
  local file, count = args[1], tonumber(args[2])
  if not file or not count or count < 1 then
    error("give the file of the bodies and wrk's number of threads after --")
  end
  if thread_index >= count then
    error("wrk runs more threads than the last argument says")
  end
  -- Whole requests are made before the clock starts, and wrk itself counts the replies: a function called for each
  -- reply would cost more than the reply.
  requests = {}
  local line_number = 0
  for line in io.lines(file) do
    if line_number % count == thread_index then
      requests[#requests + 1] = wrk.format("POST", "/api/payment_callback", nil, line)
    end
    line_number = line_number + 1
  end
  sent = 0
  used_up = false
  -- wrk asks its first thread for one request that it never sends, to look at its form.
  rehearsals = thread_index == 0 and 1 or 0
  loading = os.clock()
end

function request()
  if rehearsals > 0 then
    rehearsals = rehearsals - 1
    return requests[1] or wrk.format("GET", "/livez")
  end
  if sent == #requests then
    used_up = true
    wrk.thread:stop()
    return wrk.format("GET", "/livez")
  end
  sent = sent + 1
  return requests[sent]
end

function done(summary, latency, requests)
  local all_sent, ended_early, loaded = 0, false, 0
  for _, thread in ipairs(threads) do
    all_sent = all_sent + thread:get("sent")
    ended_early = ended_early or thread:get("used_up")
    loaded = math.max(loaded, thread:get("loading"))
  end
  print(string.format("callbacks sent: %d, replies other than 200: %d", all_sent, summary.errors.status))
  print(string.format("CPU seconds before the clock started: %.2f", loaded))
  if ended_early then
    print("the prepared callbacks were used up before the time was over: the rate above is too low")
  end
end
