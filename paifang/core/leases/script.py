"""What runs inside Redis: one call's limits, looked at and taken in one step.

An account is a hash. A rate's holds ``used``, the microseconds of refill that are used up, and
``at``, the moment of that, so that a clock that is set takes no more than its step. Slots and
budgets hold a field for each process with what it claims, always as a whole and never as a
difference: an answer that got lost is put right by the next ask. Of a budget ``spent`` is what the
books had when somebody last looked; it only grows.

Each process numbers its runs. One that arrives behind a later one, because nobody waited for it
any more, changes nothing; and a run tells the number of the last one that did.

Lua's numbers are doubles, exact up to 2^53. A budget's amounts may be larger: they come and go as
decimals, and are counted as billions and a rest.
"""

LIMIT_REACHED, GRANTED, BUDGET_EMPTY, LATE = 0, 1, 2, 3
"""What a run says of all its asks together."""

SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local me, deadline, take, turn = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1', tonumber(ARGV[4])
local function whole(n) return string.format('%.0f', n) end

local last = tonumber(redis.call('GET', KEYS[2]) or 0)
if turn <= last then return {0, 3, last, {}} end
redis.call('SET', KEYS[2], whole(turn), 'PX', 86400000)

local BILLION, PLENTY = 1000000000, 4503599627370496
local function split(decimal)
  return tonumber(string.sub(decimal, 1, -10)) or 0, tonumber(string.sub(decimal, -9)) or 0
end
local function carried(high, low)
  local rest = math.fmod(low, BILLION)
  if rest < 0 then rest = rest + BILLION end
  return high + (low - rest) / BILLION, rest
end
local function decimal(high, low)
  high, low = carried(high, low)
  if high > 0 then return string.format('%.0f%09.0f', high, low) end
  return whole(low)
end
-- The number itself; of one beyond 2^52 only that it is as large, or far below 0.
local function number(high, low)
  high, low = carried(high, low)
  return math.min(high * BILLION + low, PLENTY)
end

local seen = redis.call('ZSCORE', KEYS[1], me)
local known = seen and math.abs(now - tonumber(seen)) < deadline
redis.call('ZADD', KEYS[1], whole(now), me)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', whole(now - 86400000000))

local lives = {[me] = true}
local function alive(process)
  if lives[process] == nil then
    local score = redis.call('ZSCORE', KEYS[1], process)
    lives[process] = (score and math.abs(now - tonumber(score)) < deadline) and true or false
  end
  return lives[process]
end

-- What the others claim, and what is spent; what the dead claimed is struck out.
local function claims(key)
  local high, low, spent = 0, 0, '0'
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local process = fields[i]
    if process == 'spent' then spent = fields[i + 1]
    elseif process ~= me then
      if alive(process) then
        local h, l = split(fields[i + 1])
        high, low = high + h, low + l
      else redis.call('HDEL', key, process) end
    end
  end
  return high, low, spent
end

local answers, states, refused, empty = {}, {}, false, false
for i = 3, #KEYS do
  local key, base = KEYS[i], 4 + (i - 3) * 9
  local kind = ARGV[base + 1]
  local a = {}
  for j = 2, 9 do a[j] = tonumber(ARGV[base + j]) end
  local s = {kind = kind, need = a[7], more = a[8], slack = a[9]}
  if kind == 'rate' then
    -- unit, period, most, charge, -; need, more, slack
    local old = redis.call('HMGET', key, 'used', 'at')
    local used, at = tonumber(old[1] or 0), tonumber(old[2] or now)
    s.unit, s.period = a[2], a[3]
    s.at = now
    used = math.max(0, used - math.max(0, now - at))
    s.used = math.max(0, used + a[5] * a[2])
    s.free = math.floor((a[4] - s.used) / a[2])
    if s.free < s.need then s.refused = true end
    s.changed = a[5] ~= 0
  elseif kind == 'slots' then
    -- limit, -, -, -, held; need, more, slack
    s.held = a[6]
    s.others = number(claims(key))
    s.free = a[2] - s.others - s.held
    if s.free < s.need then s.refused = true end
  else
    -- quota, known, -, -, held; need, more, slack
    local qh, ql = split(ARGV[base + 2])
    local kh, kl = split(ARGV[base + 3])
    local hh, hl = split(ARGV[base + 6])
    local oh, ol, spent = claims(key)
    local sh, sl = split(spent)
    if kh > sh or (kh == sh and kl > sl) then sh, sl = kh, kl end
    s.high, s.low, s.others, s.spent = hh, hl, decimal(oh, ol), decimal(sh, sl)
    s.free = number(qh - sh - oh - hh, ql - sl - ol - hl)
    if s.free <= 0 then s.refused = true; empty = true end
  end
  if s.refused then refused = true end
  states[i] = s
end

for i = 3, #KEYS do
  local key, s = KEYS[i], states[i]
  local got, extra = 0, 0
  if take and not refused then
    -- What others of this process wait for, and in advance no more than a quarter of the rest.
    local rest = math.max(0, s.free - s.need)
    local more = math.min(s.more, rest)
    extra = more + math.min(s.slack, math.floor((rest - more) / 4))
    got = s.need + extra
  end
  if s.kind == 'rate' then
    s.used = s.used + got * s.unit
    if s.changed or got > 0 then
      if s.used > 0 then
        redis.call('HSET', key, 'used', string.format('%.3f', s.used), 'at', whole(s.at))
        redis.call('PEXPIRE', key, whole(math.ceil((s.used + s.period) / 1000)))
      else redis.call('DEL', key) end
    end
    answers[#answers + 1] = {whole(got), whole(s.used), '0'}
  elseif s.kind == 'slots' then
    local claim = s.held + got
    if claim > 0 then
      redis.call('HSET', key, me, whole(claim))
      redis.call('PEXPIRE', key, 86400000)
    else redis.call('HDEL', key, me) end
    answers[#answers + 1] = {whole(claim), whole(s.others), '0'}
  else
    if take and not refused then
      local nh, nl = split(ARGV[4 + (i - 3) * 9 + 7])
      s.high, s.low = s.high + nh, s.low + nl + extra
    end
    local claim = decimal(s.high, s.low)
    redis.call('HSET', key, 'spent', s.spent)
    if claim ~= '0' then redis.call('HSET', key, me, claim) else redis.call('HDEL', key, me) end
    redis.call('PEXPIRE', key, 86400000)
    answers[#answers + 1] = {claim, s.others, s.spent}
  end
end
return {known and 1 or 0, not refused and 1 or empty and 2 or 0, last, answers}
"""
