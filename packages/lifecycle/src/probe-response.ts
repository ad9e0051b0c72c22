import type { Registration } from '@sd/core'

/** A source of health for the lifecycle: a reporter of `@sd/health`, or your own. */
export interface HealthSource {
  /** Returns the current health of the process. */
  report(): {
    /** Whether the process can go on without a restart. */
    readonly isLive: boolean
    /** Whether the process should get traffic. */
    readonly isReady: boolean
    /** Results of the checks, by name. */
    readonly checks?: Readonly<Record<string, { readonly status: string }>>
  }
  /** Receives the registration, whose health the source then keeps up to date. Called once it exists. */
  addRegistration?(registration: Registration): void
}

/** The response to a health probe. Can be passed to `new Response(result.body, result)`. */
export interface ProbeResponse {
  /** 200 if the probe succeeds, otherwise 503. */
  readonly status: 200 | 503
  /** Header fields. */
  readonly headers: Readonly<Record<string, string>>
  /** JSON text. */
  readonly body: string
}

type HealthChecks = NonNullable<ReturnType<HealthSource['report']>['checks']>

const headers = Object.freeze({ 'content-type': 'application/json', 'cache-control': 'no-store' })

/** Creates the response to a probe. @param state the `status` in the body if the probe fails */
export function createProbeResponse(isOk: boolean, state: string, checks: HealthChecks | undefined): ProbeResponse {
  const statuses = checks && Object.fromEntries(Object.entries(checks).map(([name, { status }]) => [name, String(status)]))
  const body = { status: isOk ? 'ok' : state, ...(statuses && { checks: statuses }) }
  return { status: isOk ? 200 : 503, headers, body: JSON.stringify(body) }
}
