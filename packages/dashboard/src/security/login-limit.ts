import { BoundedMap, readIpNetwork } from '@sd/core'

/** Failures of an address within a second, after which it has to wait. */
const maxFailures = 5
const windowMs = 1_000

/** Slows down guessing. Networks are counted, as a caller can use any address of its /64. */
export interface LoginLimit {
  /** Whether another attempt of this address is checked. */
  allows(peer: string | undefined): boolean
  /** Notes a failed attempt. */
  fail(peer: string | undefined): void
}

/** @param now Unix milliseconds */
export function createLoginLimit(now: () => number): LoginLimit {
  const failures = new BoundedMap<string, readonly number[]>({ maxEntries: 10_000 })
  const networkOf = (peer: string | undefined): string => readIpNetwork(peer ?? '') ?? 'unknown'
  const recent = (network: string): readonly number[] => (failures.get(network) ?? []).filter((at) => at > now() - windowMs)
  return {
    allows: (peer) => recent(networkOf(peer)).length < maxFailures,
    fail(peer) {
      const network = networkOf(peer)
      failures.set(network, [...recent(network), now()].slice(-maxFailures))
    },
  }
}
