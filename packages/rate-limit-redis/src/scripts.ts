import { createHash } from 'node:crypto'
import { WINDOW_SEGMENTS } from '@sd/rate-limit-kit'

/** A Lua script and its name in Redis. */
export interface Script {
  /** Source text. */
  readonly text: string
  /** SHA-1 of the text, in hexadecimal. */
  readonly sha: string
}

/** Creates a script from its parts. */
export function createScript(...parts: readonly string[]): Script {
  const text = parts.join('\n')
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

/** Reads the server's own clock, in microseconds, so that the clocks of the callers do not matter. */
const serverClock = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]`

/**
 * `takeFromBucket` of `@sd/rate-limit-kit`. KEYS: the key. ARGV: limit, window in microseconds, burst, cost.
 * Returns whether the call is allowed, and the resulting level.
 */
export const bucketBody: string = `
local limit, window, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local level, at = 0, now
local stored = redis.call('GET', KEYS[1])
if stored then
  local first, second = string.match(stored, '^(%S+) (%S+)$')
  level, at = tonumber(first), tonumber(second)
  level = math.max(0, level - math.max(0, now - at) * limit / window)
end
local allowed = level + cost <= burst + 1e-9
if allowed then level = level + cost end
-- A clock that was set back is noted too, or the level would stand still until it has caught up.
if (allowed and cost > 0) or now < at then
  local lifetime = math.ceil(level * window / limit / 1000) + 1
  redis.call('SET', KEYS[1], string.format('%.17g %.0f', level, now), 'PX', string.format('%.0f', lifetime))
end
return { allowed and 1 or 0, string.format('%.17g', level) }`

/**
 * `takeFromWindow` of `@sd/rate-limit-kit`. KEYS: the key. ARGV: limit, window in microseconds, cost.
 * Returns whether the call is allowed, the time, and the resulting segments.
 */
export const windowBody: string = `
local limit, window, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local segments = ${WINDOW_SEGMENTS}
local current = math.floor(now * segments / window)
local used, changed, kept = 0, false, {}
local function add(segment, count)
  used = used + count
  if kept[#kept - 1] == segment then
    kept[#kept] = kept[#kept] + count
  else
    kept[#kept + 1] = segment
    kept[#kept + 1] = count
  end
end
for first, second in string.gmatch(redis.call('GET', KEYS[1]) or '', '(%d+) (%d+)') do
  local segment, count = tonumber(first), tonumber(second)
  if segment > current then segment, changed = current, true end
  if segment >= current - segments then add(segment, count) end
end
local allowed = used + cost <= limit
if allowed and cost > 0 then
  add(current, cost)
  changed = true
end
for index, number in ipairs(kept) do kept[index] = string.format('%.0f', number) end
local state = table.concat(kept, ' ')
if changed then
  local lifetime = math.ceil(((tonumber(kept[#kept - 1]) + segments + 1) * window / segments - now) / 1000) + 1
  redis.call('SET', KEYS[1], state, 'PX', string.format('%.0f', lifetime))
end
return { allowed and 1 or 0, string.format('%.0f', now), state }`

/** {@link bucketBody} with the server's clock. */
export const bucketScript: Script = createScript(serverClock, bucketBody)
/** {@link windowBody} with the server's clock. */
export const windowScript: Script = createScript(serverClock, windowBody)
