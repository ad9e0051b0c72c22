import { MASK, masking, type SdError, type TelemetryEvents, toWireError } from '@sd/core'
import type { CallRecord, SlowReport } from '../protocol.ts'

/** Calls for which a report shows an entry, of each kind. */
const maxCalls = 50
/** Length of a part of the window, in ticks. */
const partTicks = 60
/** Number of parts: five minutes. */
const parts = 5
/** Number of the latest attempts among which the instance of a call is searched. */
const maxAttempts = 64
const longestPath = 1_000

type CallEnd = TelemetryEvents['sd:v1:call:end']

/** A call as it is kept: its texts are masked only when it is read. */
interface KeptCall extends Omit<CallRecord, 'error'> {
  readonly failure: SdError | undefined
}

/** Keeps the slowest and the last failed calls of five minutes. */
export class SlowCalls {
  /** Slowest calls of each minute, slowest first; the current minute is first. */
  #slowest: KeptCall[][] = [[]]
  /** A call that is not slower than this is not among the slowest of the minute. */
  #threshold = -1
  #failed: KeptCall[] = []
  #ticks = 0
  // The calls of the latest attempts, as a ring. An object for each attempt would cost more than the rest.
  readonly #attempted: (object | undefined)[] = Array<object | undefined>(maxAttempts).fill(undefined)
  readonly #instances: string[] = Array<string>(maxAttempts).fill('')
  #next = 0

  /** Notes which instance an attempt of a call was sent to. */
  attempt(call: object, instanceId: string): void {
    this.#attempted[this.#next] = call
    this.#instances[this.#next] = instanceId
    this.#next = (this.#next + 1) % maxAttempts
  }

  /** Notes the end of a call. */
  call(event: CallEnd, isFailure: boolean): void {
    const isSlow = event.durationMs > this.#threshold
    if (!isSlow && !isFailure) return
    const kept = this.#keep(event)
    if (isSlow) this.#addSlow(kept)
    if (!isFailure) return
    this.#failed.push(kept)
    if (this.#failed.length > maxCalls) this.#failed.shift()
  }

  /** A second has passed. Also releases calls, which may hold bodies. */
  tick(): void {
    this.#attempted.fill(undefined)
    if (++this.#ticks % partTicks !== 0) return
    this.#slowest = [[], ...this.#slowest.slice(0, parts - 1)]
    this.#threshold = -1
  }

  report(): SlowReport {
    const oldest = Date.now() - parts * partTicks * 1_000
    const slowest = this.#slowest.flat().sort((one, other) => other.durationMs - one.durationMs)
    return {
      slowest: slowest.slice(0, maxCalls).map(toRecord),
      failed: this.#failed
        .filter(({ at }) => at >= oldest)
        .reverse()
        .map(toRecord),
    }
  }

  #addSlow(kept: KeptCall): void {
    const current = this.#slowest[0] as KeptCall[]
    const index = current.findIndex(({ durationMs }) => durationMs < kept.durationMs)
    current.splice(index < 0 ? current.length : index, 0, kept)
    if (current.length > maxCalls) current.pop()
    if (current.length === maxCalls) this.#threshold = (current.at(-1) as KeptCall).durationMs
  }

  #keep({ call, status, error, durationMs, attempts }: CallEnd): KeptCall {
    const { service, method, path } = call
    const index = this.#attempted.lastIndexOf(call)
    return {
      at: Date.now(),
      service,
      method,
      path,
      durationMs,
      attempts,
      ...(index >= 0 && { instanceId: this.#instances[index] as string }),
      ...(status !== undefined && { status }),
      failure: error,
    }
  }
}

function toRecord({ failure, path, ...rest }: KeptCall): CallRecord {
  return { ...rest, path: showPath(path), ...(failure !== undefined && { error: toWireError(failure) }) }
}

/** A path without its query, and without the segment after one such as `token`. */
export function showPath(path: string): string {
  const [bare = ''] = path.split(/[?#]/, 1)
  const segments = bare.slice(0, longestPath).split('/')
  const shown = segments.map((segment, index) =>
    masking.isSecretName(segments[index - 1] ?? '') && segment !== '' ? MASK : segment,
  )
  return masking.text(shown.join('/'))
}
