import { checkFunction, checkKnownKeys, type HedgePolicy, IDEMPOTENT_METHODS, invalidError } from '@sd/core'
import { createDelay } from './hedge-delay.ts'
import { runHedged } from './hedged-call.ts'
import { type HedgeOptions, resolveHedgeOptions } from './options.ts'

/** Options of {@link createHedgePolicy}. */
export interface HedgePolicyOptions
  extends Pick<HedgeOptions, 'delayMs' | 'percentile' | 'minSamples' | 'windowMs' | 'maxAttempts' | 'budget'> {
  /**
   * Methods of calls that may be in progress several times at once.
   *
   * @default the idempotent methods: GET, HEAD, OPTIONS, TRACE, PUT, DELETE
   */
  readonly methods?: readonly string[]
}

const keys = ['delayMs', 'percentile', 'minSamples', 'windowMs', 'maxAttempts', 'budget', 'methods']

/**
 * Creates a hedge policy for a service of `@sd/client`. The policy never credits its budget: the client does, see
 * `ServiceSettings.hedge`.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createHedgePolicy(options: HedgePolicyOptions = {}): HedgePolicy {
  checkKnownKeys('', options, keys)
  const { methods = [...IDEMPOTENT_METHODS], ...rest } = options
  const covered = new Set(checkMethods(methods))
  const resolved = resolveHedgeOptions(rest)
  const delay = createDelay(resolved)
  return {
    name: 'hedge',
    covers: ({ method }) => covered.has(method),
    execute(run, hooks) {
      checkFunction('run', run)
      const { signal, canStart, isFinal, outcomeOf, discard, onHedge } = hooks
      const { maxAttempts, budget, serverDelayMs } = resolved
      const rules = { maxAttempts, budget, canStart, isFinal, outcomeOf, serverDelayMs, discard, onHedge }
      return runHedged({ run, rules, delayMs: delay.currentMs(), signal, onFirstLatency: delay.learn })
    },
  }
}

function checkMethods(methods: readonly string[]): readonly string[] {
  const isList = Array.isArray(methods) && methods.every((method) => typeof method === 'string' && /^[A-Z]{1,20}$/.test(method))
  if (!isList) throw invalidError('methods', methods, 'an array of HTTP methods in upper case')
  return methods
}
