"""What happens inside Redis, each in one step that no other client can come between.

A credential has two keys: its entry, a hash of serial, birth (by Redis's clock, which is the same for all) and what is
sealed; and its lease, which holds its owner's name and ends by itself. A third one, for all, tells which key seals.
Each script may be sent twice by the same owner without harm: an answer may get lost.
"""

from __future__ import annotations

_NOW = """
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
"""

# entry, lease, key's identifier; owner, length of the lease in ms, the serial that is known, identifier
BEGIN = f"""{_NOW}
local key = redis.call('GET', KEYS[3])
if key and key ~= ARGV[4] then return {{'other key', '', '', 0}} end
if not key then redis.call('SET', KEYS[3], ARGV[4]) end
local entry = redis.call('HMGET', KEYS[1], 'serial', 'born', 'sealed')
local found = {{entry[1] or '', entry[3] or '', entry[2] and now() - tonumber(entry[2]) or 0}}
if entry[1] and tonumber(entry[1]) > tonumber(ARGV[3]) then
  return {{'newer', found[1], found[2], found[3]}}
end
local owner = redis.call('GET', KEYS[2])
if owner and owner ~= ARGV[1] then return {{'held', '', '', 0}} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {{'owner', found[1], found[2], found[3]}}
"""

# entry, lease; owner, serial, age in ms, sealed, ms to keep it. Fenced twice: by the lease, and by the serial.
WRITE = f"""{_NOW}
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local entry = redis.call('HMGET', KEYS[1], 'serial', 'born')
if entry[1] and tonumber(entry[1]) > tonumber(ARGV[2]) then return 0 end
local born = now() - tonumber(ARGV[3])
if entry[1] == ARGV[2] then born = entry[2] end
redis.call('HSET', KEYS[1], 'serial', ARGV[2], 'born', born, 'sealed', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
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
