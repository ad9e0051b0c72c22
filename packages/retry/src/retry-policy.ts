import {
  type CallContext,
  checkKnownKeys,
  createRetryBudget,
  type RetryBudget,
  type RetryPolicy,
  readServerDelay,
} from '@sd/core'
import { conditionKeys, createCondition, type RetryConditions } from './conditions.ts'
import { checkBudget, createSchedule, limitKeys, type RetryLimits } from './schedule.ts'

/** Options of {@link createRetryPolicy}. */
export interface RetryPolicyOptions extends RetryConditions, RetryLimits {
  /** What further attempts are taken from; share one among all that repeat calls to a service. @default `createRetryBudget()` of its own */
  readonly budget?: RetryBudget
}

interface CallState {
  readonly startedAt: number
  delayMs: number | undefined
}

/**
 * A retry policy for `@sd/client`: give it to the client or to one of its services. One policy serves any number of calls.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createRetryPolicy(options: RetryPolicyOptions = {}): RetryPolicy {
  checkKnownKeys('', options, [...limitKeys, ...conditionKeys])
  const budget = checkBudget(options.budget ?? createRetryBudget())
  const shouldRetry = createCondition(options)
  const schedule = createSchedule(options, budget)
  // Only calls that are tried again are in here.
  const states = new WeakMap<CallContext, CallState>()
  return {
    name: 'retry',
    next(result) {
      const { call, attempt, response } = result
      if (attempt === 1) budget.deposit()
      if (!shouldRetry(result)) return undefined
      const state = states.get(call) ?? { startedAt: call.startedAt, delayMs: undefined }
      const { startedAt, delayMs: previousDelayMs } = state
      const serverDelayMs = response && readServerDelay(response.headers)
      const { deadlineAt } = call
      state.delayMs = schedule({ attempt, startedAt, deadlineAt, previousDelayMs, serverDelayMs })
      if (state.delayMs !== undefined) states.set(call, state)
      return state.delayMs
    },
  }
}
