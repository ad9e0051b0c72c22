import { type CallContext, type ConcurrencyLimit, type Permit, type RefusingPolicy, SdError } from '@sd/core'
import type { ServicePolicies } from './policies.ts'
import { takeUnits } from './rate-limit-setting.ts'

/** What an admission is made of. */
export interface AdmissionInit {
  /** The call. */
  readonly call: CallContext
  /** What guards its service. */
  readonly policies: Pick<ServicePolicies, 'rateLimit' | 'concurrencyLimit' | 'breaker'>
  /** Takes the permits as they are given, those included that came before a refusal. */
  readonly permits: Permit[]
  /** Told of a refusal. */
  readonly onRefusal: (policy: RefusingPolicy, name: string) => void
  /** The permit of the concurrency limit for which the call waits already. */
  readonly waiting?: Promise<Permit> | undefined
  /** Why the call was stopped while a policy made it wait; a permit that comes later is given back. */
  readonly stopped: () => SdError | undefined
}

/** Asks the policies that guard a service, one after the other. @throws SdError `SD_REJECTED` if one refuses, or what it fails with */
export async function admit({ call, policies, permits, waiting, onRefusal, stopped }: AdmissionInit): Promise<void> {
  const { rateLimit, concurrencyLimit, breaker } = policies

  async function ask<T>(policy: RefusingPolicy, name: string, answer: Promise<T>): Promise<T> {
    try {
      return await answer
    } catch (error) {
      if (SdError.isInstance(error) && error.code === 'SD_REJECTED') onRefusal(policy, name)
      throw error
    }
  }
  /** After a wait. */
  function checkStopped(late?: Permit): void {
    const error = stopped()
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
    const given = waiting ?? askLimit(concurrencyLimit, call)
    const permit = given && 'settle' in given ? given : await ask('concurrency-limit', name, Promise.resolve(given))
    checkStopped(permit)
    permits.push(permit ?? refuse({ call, onRefusal }, 'concurrency-limit', name))
  }
  askBreaker({ call, permits, onRefusal }, breaker)
}

/**
 * Asks the concurrency limit and the breaker. @returns the permit of the limit if the call has to wait for it: {@link admit} takes it from there
 *
 * @throws SdError `SD_REJECTED` if one refuses, or what it fails with
 */
export function admitAtOnce(init: Omit<AdmissionInit, 'stopped' | 'waiting'>): Promise<Permit> | undefined {
  const { call, policies, permits } = init
  const { concurrencyLimit, breaker } = policies
  if (concurrencyLimit) {
    const given = askLimit(concurrencyLimit, call)
    if (given && !('settle' in given)) return given
    permits.push(given ?? refuse(init, 'concurrency-limit', concurrencyLimit.name))
  }
  askBreaker(init, breaker)
  return undefined
}

function askLimit(limit: ConcurrencyLimit, call: CallContext): Permit | Promise<Permit> | undefined {
  return limit.acquire ? limit.acquire(call) : limit.tryAcquire(call)
}

function askBreaker(init: Pick<AdmissionInit, 'call' | 'permits' | 'onRefusal'>, breaker: ServicePolicies['breaker']): void {
  if (breaker) init.permits.push(breaker.tryAcquire() ?? refuse(init, 'breaker', breaker.name))
}

function refuse({ call, onRefusal }: Pick<AdmissionInit, 'call' | 'onRefusal'>, policy: RefusingPolicy, name: string): never {
  onRefusal(policy, name)
  throw new SdError('SD_REJECTED', `Calling ${call.service} was refused by its ${policy} ${name}`)
}

/** Says nothing about the service. */
const notUsed = new SdError('SD_ABORTED', 'The call had ended when the permit came')
