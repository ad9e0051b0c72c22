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
  /** Budget for retries. Share one among all retries and hedges of a service. @default a new `createRetryBudget()` */
  readonly budget?: RetryBudget
}

interface CallState {
  readonly startedAt: number
  delayMs: number | undefined
}

/**
 * Creates a retry policy for `@sd/client`, for the whole client or for one service. One policy serves any number of calls.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createRetryPolicy(options: RetryPolicyOptions = {}): RetryPolicy {
  checkKnownKeys('', options, [...limitKeys, ...conditionKeys])
  const budget = checkBudget(options.budget ?? createRetryBudget())
  const shouldRetry = createCondition(options)
  const schedule = createSchedule(options, budget)
  // Holds only calls that are retried.
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
