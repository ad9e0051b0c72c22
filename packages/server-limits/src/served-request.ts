import { type Outcome, SdError } from '@sd/core'
import type { Admission } from './admission.ts'
import { hasBody, type NodeRequest, type NodeResponse } from './node-request.ts'
import { watchHead } from './response-head.ts'

/** One request from its admission to its end: its signal, its latency, its place. */
export class ServedRequest {
  readonly #name: string
  readonly #request: NodeRequest
  readonly #response: NodeResponse
  #startedAt = performance.now()
  #latencyMs: number | undefined
  #deadlineAt: number | undefined
  #controller: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #admission: Admission | undefined
  #isOver = false
  #wasCut = false

  constructor(name: string, request: NodeRequest, response: NodeResponse) {
    this.#name = name
    this.#request = request
    this.#response = response
    response.once('close', () => this.#end())
  }

  /** Whether the answer was sent, or the caller left. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Fires when the caller leaves before its answer was sent, and at the deadline. Made when it is asked for. */
  get signal(): AbortSignal {
    if (this.#controller) return this.#controller.signal
    const controller = new AbortController()
    this.#controller = controller
    if (this.#wasCut) controller.abort(this.#leftError())
    else this.#armTimer()
    return controller.signal
  }

  /** Sets when the signal fires at the latest, by `performance.now()`. */
  setDeadline(deadlineAt: number | undefined): void {
    this.#deadlineAt = deadlineAt
    this.#armTimer()
  }

  /** Takes what was decided. Where the caller has left meanwhile its place is freed at once. */
  admit(admission: Admission): void {
    this.#admission = admission
    this.setDeadline(admission.deadlineAt)
    if (this.#isOver) {
      this.#settle()
      return
    }
    this.#startedAt = performance.now()
    watchHead(this.#response, (isStream) => {
      this.#latencyMs ??= performance.now() - this.#startedAt
      if (isStream) admission.becomeStream(this.#latencyMs)
    })
    // A slow upload is not the server's slowness.
    if (hasBody(this.#request)) {
      this.#request.once('end', () => {
        this.#startedAt = performance.now()
      })
    }
  }

  #armTimer(): void {
    clearTimeout(this.#timer)
    const deadlineAt = this.#deadlineAt
    if (deadlineAt === undefined || this.#isOver || !this.#controller) return
    const fire = (): void => this.#controller?.abort(new SdError('SD_DEADLINE_EXCEEDED', `${this.#name}: the deadline is over`))
    this.#timer = setTimeout(fire, Math.max(0, deadlineAt - performance.now()))
    this.#timer.unref?.()
  }

  #end(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    const response = this.#response
    this.#wasCut = !isFinished(response)
    if (this.#wasCut) this.#controller?.abort(this.#leftError())
    this.#settle()
  }

  #settle(): void {
    this.#admission?.settle(this.#outcome())
  }

  #outcome(): Outcome {
    const { headersSent, statusCode: status } = this.#response
    const answered = headersSent ? { status, latencyMs: this.#latencyMs } : {}
    return this.#wasCut ? { ...answered, ok: false, error: this.#leftError() } : { ...answered, ok: status < 500 }
  }

  #leftError(): SdError {
    return new SdError('SD_ABORTED', `${this.#name}: the caller left before its answer was sent`)
  }
}

/** Whether all of a response was sent. One of HTTP/2 says so even of one whose stream was reset. */
function isFinished(response: NodeResponse): boolean {
  if (!('stream' in response)) return response.writableFinished
  return response.stream.writableFinished && response.stream.rstCode === 0
}
