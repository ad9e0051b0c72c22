import { type HedgePolicy, publishTelemetry, readServerDelay, SdError } from '@sd/core'
import type { CallFrame } from '../call/call-frame.ts'
import type { Attempt } from './attempt.ts'
import type { AttemptStarter } from './attempt-starter.ts'
import type { AttemptTime } from './attempt-time.ts'

/** The loop that attempts are hedged for. */
export interface HedgeOwner {
  readonly call: CallFrame
  readonly starter: AttemptStarter
  /** Aborts when the round is stopped. */
  readonly signal: AbortSignal
  /** Whether there is a kept response that a retry tries to improve on. */
  readonly hasKept: boolean
  /** The limit of the next attempt. */
  findTime(): AttemptTime | undefined
  /** An attempt begins. */
  onHedged(attempt: Attempt): void
}

/** Ends an attempt of a hedged call without another endpoint. Shared, because an error takes a stack trace. */
const none = new SdError('SD_NO_INSTANCE', 'No other instance')

/**
 * Tries, and tries again if that takes long. @returns the attempt whose result applies, `undefined` if there was no
 * endpoint for any
 */
export async function runHedged(owner: HedgeOwner, hedge: HedgePolicy, maySeeAgain: boolean): Promise<Attempt | undefined> {
  const { call, starter } = owner
  let failed: AttemptFailure | undefined
  let hasResponse = owner.hasKept
  let first: Attempt | undefined
  let isHedged = false
  const noteEnd = (winner: 'first' | 'hedge' | 'none'): void => {
    if (isHedged) publishTelemetry('sd:v1:call:hedged', { call, winner })
  }
  const tryOnce = async (number: number, signal: AbortSignal): Promise<Attempt> => {
    const options = { maySeeAgain, isHedge: number > 1 }
    const attempt = starter.mustRequestUnit ? await starter.startAllowed(options, owner.signal) : starter.start(options)
    if (!attempt) throw failed ?? none
    if (number === 1) first = attempt
    starter.skip(attempt.endpoint)
    signal.addEventListener('abort', () => attempt.lose(signal.reason as SdError), { once: true })
    owner.onHedged(attempt)
    // If the attempt takes long the hedge uses another endpoint: only a configured or measured limit ends an attempt.
    const time = owner.findTime()
    await attempt.run(time?.onlyForAnother ? undefined : time)
    if (!attempt.result) {
      failed = new AttemptFailure(attempt)
      throw failed
    }
    hasResponse = true
    return attempt
  }
  try {
    const used = await hedge.execute<Attempt>(({ attempt, signal }) => tryOnce(attempt, signal), {
      signal: owner.signal,
      canStart: () => starter.hasAny(),
      isFinal: ({ value, error }) =>
        value ? isGood(value) : !hasResponse && error instanceof AttemptFailure && !error.attempt.error?.retryable,
      outcomeOf: ({ value, error }) =>
        value?.exchange ?? (error instanceof AttemptFailure ? error.attempt.exchange : undefined) ?? { ok: false, error },
      discard: (attempt) => attempt.drop(),
      onHedge: ({ attempt, afterMs }) => {
        isHedged = true
        publishTelemetry('sd:v1:call:hedge', { call, attempt, afterMs })
        call.init.recorder?.note('hedge', { detail: `after ${Math.round(afterMs)} ms` })
      },
    })
    noteEnd(used === first ? 'first' : 'hedge')
    return used
  } catch (error) {
    noteEnd('none')
    if (error instanceof AttemptFailure) return error.attempt
    if (error === none) return undefined
    throw error
  }
}

/** Carries an attempt without a response through a hedge policy, which prefers values to errors. */
class AttemptFailure extends Error {
  readonly attempt: Attempt

  constructor(attempt: Attempt) {
    super('The attempt failed', { cause: attempt.error })
    this.attempt = attempt
  }
}

/** Whether it ends a hedged call: the response is good, or says when to retry. */
function isGood({ result }: Attempt): boolean {
  if (!result) return false
  const { status, headers } = result
  return (status < 500 && status !== 429) || readServerDelay(headers) !== undefined
}
