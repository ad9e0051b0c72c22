import type { RateLimitDecision } from '@sd/core'
import type { GatewayExchange } from '@sd/gateway'
import type { PreparedLimit } from './rate-limit-options.ts'

/** What a limit has decided about a request. */
export interface TakenUnits {
  readonly limit: PreparedLimit
  readonly decision: RateLimitDecision
}

interface Demand {
  readonly limit: PreparedLimit
  readonly key: string
  /** Whether the units were too few when this was last read. */
  readonly isShort: boolean
}

/**
 * Takes the units of a request from all of its limits, or from none. A limiter can't take units back: so a limit that is
 * short is asked first, and then those that can change while another one is asked.
 *
 * @returns the decisions; only the last one may be a refusal
 */
export function takeUnits(
  limits: readonly PreparedLimit[],
  exchange: GatewayExchange,
): readonly TakenUnits[] | Promise<readonly TakenUnits[]> {
  const demands = limits.map((limit) => ({ limit, key: limit.keyOf(exchange), isShort: false }))
  const remote = demands.filter(({ limit }) => !limit.limiter.tryAcquire)
  if (remote.length > 0) return takeInTurn(demands, remote)
  if (demands.length === 1) return takeNow(demands)
  return takeNow(inOrder(demands.map((demand) => ({ ...demand, isShort: isShortNow(demand) }))))
}

function takeNow(demands: readonly Demand[]): readonly TakenUnits[] {
  const taken: TakenUnits[] = []
  for (const { limit, key } of demands) {
    const decision = limit.limiter.tryAcquire?.(key, { cost: limit.cost }) as RateLimitDecision
    taken.push({ limit, decision })
    if (!decision.allowed) break
  }
  return taken
}

async function takeInTurn(demands: readonly Demand[], remote: readonly Demand[]): Promise<readonly TakenUnits[]> {
  // The only one that is asked over the network needs no look before, because it is asked first.
  const looks = demands.map(async (demand) => {
    const needsLook = remote.length > 1 || demand.limit.limiter.tryAcquire !== undefined
    return { ...demand, isShort: needsLook && (await isShort(demand)) }
  })
  const ordered = inOrder(await Promise.all(looks))
  const taken: TakenUnits[] = []
  for (const { limit, key } of ordered) {
    const decision = await limit.limiter.acquire(key, { cost: limit.cost })
    taken.push({ limit, decision })
    if (!decision.allowed) break
  }
  return taken
}

function isShortNow({ limit, key }: Demand): boolean {
  const decision = limit.limiter.tryAcquire?.(key, { cost: 0 })
  return decision !== undefined && decision.remaining < limit.cost
}

async function isShort(demand: Demand): Promise<boolean> {
  const { limit, key } = demand
  if (limit.limiter.tryAcquire) return isShortNow(demand)
  const decision = await limit.limiter.acquire(key, { cost: 0 })
  return decision.degraded !== 'open' && decision.remaining < limit.cost
}

function inOrder(demands: readonly Demand[]): readonly Demand[] {
  return [...demands].sort((one, other) => rank(one) - rank(other))
}

function rank({ limit, isShort }: Demand): number {
  if (isShort) return 0
  return limit.limiter.tryAcquire ? 2 : 1
}
