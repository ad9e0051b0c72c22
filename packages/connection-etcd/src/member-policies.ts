import type { IOptions } from 'etcd3'
import { codeOf } from './etcd-errors.ts'

type Policy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>

/** How calls choose among the members of a cluster. */
export interface MemberPolicies {
  /** The policy of one member, which refuses while another one should be asked first. */
  readonly host: (host: string) => Policy
  /** The policy of a call: it tries each member once. */
  readonly global: Policy
}

/** How long a member that gave no answer is asked last, in milliseconds; twice as long each time, up to the longest. */
const shortestAvoidanceMs = 5_000
const longestAvoidanceMs = 60_000

/** gRPC codes that say that a member could not be asked: DEADLINE_EXCEEDED and UNAVAILABLE. */
const silent: ReadonlySet<number | undefined> = new Set([4, 14])

/** Whether another member may do better. */
export function isSilence(error: unknown): boolean {
  return error instanceof AskedLastError || silent.has(codeOf(error))
}

/** Thrown instead of a call: the library then asks the next member. */
class AskedLastError extends Error {}

interface Member {
  avoidedUntil: number
  avoidanceMs: number
}

/**
 * The library would open a circuit for five seconds after three failures, and retry without a limit in time. Core's loops do both better:
 * a call tries each member once, and a member that was silent is asked last for a while, so that one that hangs costs one call its time and
 * not a third of all calls.
 *
 * @param onSilence called whenever a member gave no answer
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
      // The library then asks another member in the same call.
      if (isBetterElsewhere(member)) throw new AskedLastError('this member is asked last')
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
