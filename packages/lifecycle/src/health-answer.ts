import type { Registration } from '@sd/core'

/** What the lifecycle reads of a reporter of `@sd/health`, or of one of yours. */
export interface HealthSource {
  /** How the process is now. */
  report(): {
    /** Whether it need not be restarted. */
    readonly isLive: boolean
    /** Whether it should get traffic. */
    readonly isReady: boolean
    /** What it found, by name. */
    readonly checks?: Readonly<Record<string, { readonly status: string }>>
  }
  /** Takes a registration whose health it keeps up to date. Called once there is one. */
  addRegistration?(registration: Registration): void
}

/** The answer to a request for health. It can be given to `new Response(answer.body, answer)`. */
export interface HealthAnswer {
  /** 200, or 503. */
  readonly status: 200 | 503
  /** Its headers. */
  readonly headers: Readonly<Record<string, string>>
  /** Its body, JSON. */
  readonly body: string
}

type HealthChecks = NonNullable<ReturnType<HealthSource['report']>['checks']>

const headers = Object.freeze({ 'content-type': 'application/json', 'cache-control': 'no-store' })

/** Makes the answer. @param state what is not ok */
export function createHealthAnswer(isOk: boolean, state: string, checks: HealthChecks | undefined): HealthAnswer {
  const statuses = checks && Object.fromEntries(Object.entries(checks).map(([name, { status }]) => [name, String(status)]))
  const body = { status: isOk ? 'ok' : state, ...(statuses && { checks: statuses }) }
  return { status: isOk ? 200 : 503, headers, body: JSON.stringify(body) }
}
