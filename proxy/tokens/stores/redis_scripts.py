"""What happens inside Redis, each in one step that no other client can come between.

A credential has three keys: its entry, a hash of serial, birth (by Redis's clock, which is the same for all) and what
is sealed; its setback, the same without a serial, while the last login was a failure; and its lease, which holds its
owner's name and ends by itself. One more, for all, tells which key seals.
Each script may be sent twice by the same owner without harm: an answer may get lost.
"""

from __future__ import annotations

_NOW = """
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
"""

# entry, lease, setback, key's identifier; owner, length of the lease in ms, the serial that is known, identifier
BEGIN = f"""{_NOW}
local function age(born) return born and now() - tonumber(born) or 0 end
local key = redis.call('GET', KEYS[4])
if key and key ~= ARGV[4] then return {{'other key', '', '', 0, '', 0}} end
if not key then redis.call('SET', KEYS[4], ARGV[4]) end
local entry = redis.call('HMGET', KEYS[1], 'serial', 'born', 'sealed')
local setback = redis.call('HMGET', KEYS[3], 'born', 'sealed')
local verdict = 'owner'
if entry[1] and tonumber(entry[1]) > tonumber(ARGV[3]) then
  verdict = 'newer'
else
  local owner = redis.call('GET', KEYS[2])
  if owner and owner ~= ARGV[1] then return {{'held', '', '', 0, '', 0}} end
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
end
return {{verdict, entry[1] or '', entry[3] or '', age(entry[2]), setback[2] or '', age(setback[1])}}
"""

# entry, lease, setback; owner, serial, age in ms, sealed, ms to keep it. Fenced twice: by the lease and by the serial.
WRITE = f"""{_NOW}
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local entry = redis.call('HMGET', KEYS[1], 'serial', 'born')
if entry[1] and tonumber(entry[1]) > tonumber(ARGV[2]) then return 0 end
local born = now() - tonumber(ARGV[3])
if entry[1] == ARGV[2] then born = entry[2] end
if tonumber(ARGV[2]) > tonumber(entry[1] or 0) then redis.call('DEL', KEYS[3]) end
redis.call('HSET', KEYS[1], 'serial', ARGV[2], 'born', born, 'sealed', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
"""

# lease, setback; owner, sealed, ms to keep it
NOTE = f"""{_NOW}
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], 'born', now(), 'sealed', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
"""

# lease; owner, length in ms
RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

# lease; owner
RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
