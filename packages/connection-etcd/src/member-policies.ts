import type { IOptions } from 'etcd3'
import { codeOf } from './etcd-errors.ts'

type Policy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>

/** Policies for selecting a member of the cluster. */
export interface MemberPolicies {
  /** Policy of one member, which refuses a call while another member should be tried first. */
  readonly host: (host: string) => Policy
  /** Policy of a call: it tries each member once. */
  readonly global: Policy
}

/** How long a member that did not respond is tried last, in milliseconds; doubled each time, up to the maximum. */
const shortestAvoidanceMs = 5_000
const longestAvoidanceMs = 60_000

/** gRPC codes for a member that could not be reached: DEADLINE_EXCEEDED and UNAVAILABLE. */
const silent: ReadonlySet<number | undefined> = new Set([4, 14])

/** Whether another member may succeed. */
export function isSilence(error: unknown): boolean {
  return error instanceof TriedLastError || silent.has(codeOf(error))
}

/** Thrown instead of a call, so that the library tries the next member. */
class TriedLastError extends Error {}

interface Member {
  avoidedUntil: number
  avoidanceMs: number
}

/**
 * Creates the policies. The library's own would open a circuit for five seconds after three failures, and retry without
 * a time limit. Instead, a call tries each member once, and a member that did not respond is tried last for a while, so
 * that a hanging member delays one call and not a third of all calls.
 *
 * @param onSilence called whenever a member did not respond
 */
export function createMemberPolicies(hosts: readonly string[], onSilence: () => void): MemberPolicies {
  const members = new Map<string, Member>(hosts.map((host) => [host, { avoidedUntil: 0, avoidanceMs: shortestAvoidanceMs }]))

  function isBetterElsewhere(member: Member): boolean {
    const now = performance.now()
    return now < member.avoidedUntil && [...members.values()].some(({ avoidedUntil }) => avoidedUntil <= now)
  }

  function host(name: string): Policy {
    const member = members.get(name) as Member
    async function execute(run: (context: object) => Promise<unknown>): Promise<unknown> {
      // The library then tries another member in the same call.
      if (isBetterElsewhere(member)) throw new TriedLastError('this member is tried last')
      try {
        const result = await run({})
        member.avoidedUntil = 0
        member.avoidanceMs = shortestAvoidanceMs
        return result
      } catch (error) {
        if (isSilence(error)) {
          onSilence()
          member.avoidedUntil = performance.now() + member.avoidanceMs * (0.8 + Math.random() * 0.4)
          member.avoidanceMs = Math.min(member.avoidanceMs * 2, longestAvoidanceMs)
        }
        throw error
      }
    }
    return { execute } as unknown as Policy
  }

  async function execute(run: (context: object) => Promise<unknown>): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await run({})
      } catch (error) {
        if (!isSilence(error) || attempt >= members.size) throw error
      }
    }
  }

  return { host, global: { execute } as unknown as Policy }
}
