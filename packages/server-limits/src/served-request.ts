import { type Outcome, SdError } from '@sd/core'
import type { Admission } from './admission.ts'
import { hasBody, type NodeRequest, type NodeResponse } from './node-request.ts'
import { watchHead } from './response-head.ts'

/** One request from its admission to its end, with its signal, latency and place. */
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

  /** Whether the response was sent, or the caller disconnected. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Aborts when the caller disconnects before the response was sent, and at the deadline. Created on demand. */
  get signal(): AbortSignal {
    if (this.#controller) return this.#controller.signal
    const controller = new AbortController()
    this.#controller = controller
    if (this.#wasCut) controller.abort(this.#leftError())
    else this.#armTimer()
    return controller.signal
  }

  /** Sets the time at which the signal aborts at the latest, by `performance.now()`. */
  setDeadline(deadlineAt: number | undefined): void {
    this.#deadlineAt = deadlineAt
    this.#armTimer()
  }

  /** Applies the decision. If the caller has already disconnected, releases the place at once. */
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
    // A slow upload does not mean that the server is slow.
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
    const fire = (): void =>
      this.#controller?.abort(new SdError('SD_DEADLINE_EXCEEDED', `${this.#name}: the deadline has passed`))
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
    return new SdError('SD_ABORTED', `${this.#name}: the caller disconnected before the response was sent`)
  }
}

/** Whether a response was sent completely. An HTTP/2 response reports that even if its stream was reset. */
function isFinished(response: NodeResponse): boolean {
  if (!('stream' in response)) return response.writableFinished
  return response.stream.writableFinished && response.stream.rstCode === 0
}
