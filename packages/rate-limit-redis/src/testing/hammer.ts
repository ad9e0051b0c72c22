import { createRedisRateLimiter, type RedisRateLimiterOptions } from '../index.ts'

/** Task of this process: to call for this time, or this number of times, as fast as it can. */
export interface HammerTask {
  readonly options: RedisRateLimiterOptions
  readonly calls: number
  readonly durationMs: number
}

/** Number of units of the same key that this process got. */
export interface HammerResult {
  readonly granted: number
}

const { options, calls, durationMs } = JSON.parse(process.argv[2] as string) as HammerTask
const limiter = createRedisRateLimiter({ ...options, whenUnavailable: 'closed' })
await limiter.ping()
process.send?.('ready')
await new Promise((resolve) => process.once('message', resolve))

let granted = 0
let left = calls
const endAt = performance.now() + durationMs
async function work(): Promise<void> {
  while (left-- > 0 && performance.now() < endAt) {
    const { allowed } = await limiter.acquire('shared')
    if (allowed) granted++
  }
}
await Promise.all(Array.from({ length: 10 }, work))
const result: HammerResult = { granted }
process.send?.(result)
await limiter.close()
process.disconnect()
