import { type CallContext, type ConcurrencyLimit, type Permit, type RefusingPolicy, SdError } from '@sd/core'
import type { CallFrame } from '../call/call-frame.ts'
import type { ServicePolicies } from './policies.ts'
import { takeUnits } from './rate-limit-setting.ts'

/** A round that requests admission. */
export interface Applicant {
  /** The call. */
  readonly call: CallFrame
  /** Why the call was stopped while it waited for a policy; a permit that arrives later is released. */
  readonly stopped: SdError | undefined
  /** Takes each permit as it is granted, including those before a rejection. */
  addPermit(permit: Permit): void
  /** Records a rejection. */
  noteRefusal(policy: RefusingPolicy, name: string): void
}

/**
 * Passes the policies of a service, one after the other.
 *
 * @param waiting the permit of the concurrency limit that the call already waits for
 * @throws SdError `SD_REJECTED` if a policy rejects the call, or the error of the policy
 */
export async function admit(applicant: Applicant, waiting?: Promise<Permit>): Promise<void> {
  const { call } = applicant
  const { rateLimit, concurrencyLimit, breaker } = call.entry.policies

  async function ask<T>(policy: RefusingPolicy, name: string, decision: Promise<T>): Promise<T> {
    try {
      return await decision
    } catch (error) {
      if (error instanceof SdError && error.code === 'SD_REJECTED') applicant.noteRefusal(policy, name)
      throw error
    }
  }
  /** Checks after a wait. */
  function checkStopped(late?: Permit): void {
    const error = applicant.stopped
    if (!error) return
    late?.settle({ ok: true, error: notUsed })
    throw error
  }

  if (rateLimit) {
    await ask('rate-limit', rateLimit.limiter.name, takeUnits(rateLimit, call))
    checkStopped()
  }
  if (concurrencyLimit) {
    const { name } = concurrencyLimit
    const given = waiting ?? acquirePermit(concurrencyLimit, call)
    const permit = given && 'settle' in given ? given : await ask('concurrency-limit', name, Promise.resolve(given))
    checkStopped(permit)
    applicant.addPermit(permit ?? refuse(applicant, 'concurrency-limit', name))
  }
  passBreaker(applicant, breaker)
}

/**
 * Passes the concurrency limit and the breaker. @returns the permit of the limit if the call has to wait for it: {@link
 * admit} continues from there
 *
 * @throws SdError `SD_REJECTED` if a policy rejects the call, or the error of the policy
 */
export function admitAtOnce(applicant: Applicant): Promise<Permit> | undefined {
  const { call } = applicant
  const { concurrencyLimit, breaker } = call.entry.policies
  if (concurrencyLimit) {
    const given = acquirePermit(concurrencyLimit, call)
    if (given && !('settle' in given)) return given
    applicant.addPermit(given ?? refuse(applicant, 'concurrency-limit', concurrencyLimit.name))
  }
  passBreaker(applicant, breaker)
  return undefined
}

function acquirePermit(limit: ConcurrencyLimit, call: CallContext): Permit | Promise<Permit> | undefined {
  return limit.acquire ? limit.acquire(call) : limit.tryAcquire(call)
}

function passBreaker(applicant: Applicant, breaker: ServicePolicies['breaker']): void {
  if (breaker) applicant.addPermit(breaker.tryAcquire() ?? refuse(applicant, 'breaker', breaker.name))
}

function refuse(applicant: Applicant, policy: RefusingPolicy, name: string): never {
  applicant.noteRefusal(policy, name)
  throw new SdError('SD_REJECTED', `Calling ${applicant.call.service} was refused by its ${policy} ${name}`)
}

/** Does not count against the service. */
const notUsed = new SdError('SD_ABORTED', 'The call ended before the permit was granted')
