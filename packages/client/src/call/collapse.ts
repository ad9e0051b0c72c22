import {
  abortError,
  type CallResponse,
  type HeaderFields,
  publishTelemetry,
  SdError,
  type TelemetryCall,
  toSdError,
} from '@sd/core'
import { ResponseBody } from '../message/response-body.ts'
import { ServiceResponse } from '../message/service-response.ts'
import { isPersonal, isSharedResponse } from '../policies/shared-response.ts'

/** Fields that identify a request in traces and do not affect the response. */
const tracing = /^(?:traceparent|tracestate|baggage|x-request-id|x-correlation-id|b3|x-b3-.*)$/
/** Larger bodies are not shared, in bytes: each caller then calls separately. */
const maxSharedBytes = 1_048_576
/** Maximum number of different requests that are shared at once; others are not collapsed. */
const maxUnderWay = 10_000

/** A call that several callers may share. */
export interface CollapsibleCall {
  /** Identity in telemetry, if the call gets the response of another one. */
  readonly identity: TelemetryCall
  /** Calls with the same key share a response. */
  readonly key: string
  /** Its header fields, names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Deadline, by `performance.now()`. */
  readonly deadlineAt: number
  /** The caller's signal. */
  readonly signal: AbortSignal | undefined
  /** Starts the call. @returns the response, and the header fields as they were sent */
  start(signal: AbortSignal | undefined): { readonly response: Promise<ServiceResponse>; sent(): HeaderFields }
}

interface Copy extends Omit<CallResponse, 'body'> {
  readonly attempts: number
  readonly bytes: Uint8Array
  /** Whether other callers may have the copy. */
  readonly isShared: boolean
}

interface Shared {
  readonly ending: AbortController
  /** `undefined` if the response can't be shared: too large, or the deadline passed. */
  readonly copy: Promise<Copy | undefined>
  callers: number
}

/** Joins identical concurrent calls. */
export class Collapser {
  readonly #underWay = new Map<string, Shared>()
  readonly #maxResponseBytes: number

  constructor(maxResponseBytes: number) {
    this.#maxResponseBytes = maxResponseBytes
  }

  /**
   * The response of an identical call in progress, or of a new one. Each caller has its own copy. @throws SdError the
   * error of the call
   */
  async join(call: CollapsibleCall): Promise<ServiceResponse> {
    const found = this.#underWay.get(call.key)
    if (!found && this.#underWay.size >= maxUnderWay) return call.start(call.signal).response
    const shared = found ?? this.#begin(call)
    shared.callers++
    let copy: Copy | undefined
    try {
      copy = await untilEnded(shared.copy, call)
    } catch (error) {
      if (found) publishJoined(call.identity, undefined, toSdError(error, 'SD_UNAVAILABLE', 'The shared call'))
      throw error
    } finally {
      shared.callers--
      if (shared.callers === 0) {
        this.#forget(call.key, shared)
        shared.ending.abort()
      }
    }
    if (!copy || (found && !copy.isShared)) return call.start(call.signal).response
    if (found) publishJoined(call.identity, copy.status)
    return this.#toResponse(copy)
  }

  #begin(call: CollapsibleCall): Shared {
    const ending = new AbortController()
    const copy = this.#read(call, ending.signal)
    const shared = { ending, copy, callers: 0 }
    const forget = (): void => this.#forget(call.key, shared)
    copy.then(forget, forget)
    this.#underWay.set(call.key, shared)
    return shared
  }

  #forget(key: string, shared: Shared): void {
    if (this.#underWay.get(key) === shared) this.#underWay.delete(key)
  }

  async #read(call: CollapsibleCall, signal: AbortSignal): Promise<Copy | undefined> {
    try {
      const { response: head, sent } = call.start(signal)
      const { status, headers, body, endpoint, attempts } = await head
      const bytes = await (body as ResponseBody).readAll(Math.min(maxSharedBytes, this.#maxResponseBytes))
      const fields = sent()
      // An interceptor may have added a field that identifies the caller: then the response is only for that caller.
      const isSameCaller = Object.keys(fields).every((name) => !isPersonal(name) || fields[name] === call.headers[name])
      const isPublic = Object.keys(fields).every((name) => !isPersonal(name)) ? isSharedResponse(headers) : true
      const isShared = isSameCaller && isPublic && headers['set-cookie'] === undefined
      return { status, headers, endpoint, attempts, bytes, isShared }
    } catch (error) {
      if (error instanceof SdError && (error.code === 'SD_TOO_LARGE' || error.code === 'SD_DEADLINE_EXCEEDED')) return undefined
      throw error
    }
  }

  #toResponse({ status, headers, endpoint, attempts, bytes }: Copy): ServiceResponse {
    const body = new ResponseBody({ resume() {}, cancel() {} })
    if (bytes.length > 0) body.push(Buffer.from(bytes))
    body.end()
    return new ServiceResponse({ status, headers, body, endpoint, attempts, maxResponseBytes: this.#maxResponseBytes })
  }
}

function publishJoined(call: TelemetryCall, status: number | undefined, error?: SdError): void {
  publishTelemetry('sd:v1:call:start', { call })
  publishTelemetry('sd:v1:call:collapse', { call })
  publishTelemetry('sd:v1:call:end', { call, status, error, durationMs: performance.now() - call.startedAt, attempts: 0 })
}

/** Key of calls that share a response: all header fields except those of tracing. */
export function collapseKey(parts: readonly unknown[], headers: Readonly<Record<string, string>>): string {
  const fields = Object.entries(headers).filter(([name]) => !tracing.test(name))
  return JSON.stringify([...parts, fields.sort(([one], [other]) => (one < other ? -1 : 1))])
}

/** Waits for a promise until the caller aborts or its deadline passes. */
function untilEnded<T>(promise: Promise<T>, { signal, deadlineAt }: CollapsibleCall): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => settle(() => reject(abortError(signal as AbortSignal, 'The call')))
    if (signal?.aborted) return onAbort()
    const leftMs = deadlineAt - performance.now()
    const late = (): void =>
      settle(() =>
        reject(new SdError('SD_DEADLINE_EXCEEDED', 'The call took longer than its deadline allows', { origin: 'caller' })),
      )
    const timer = leftMs < 2 ** 31 ? setTimeout(late, Math.max(0, leftMs)) : undefined
    function settle(then: () => void): void {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      then()
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    promise.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error as SdError)),
    )
  })
}
