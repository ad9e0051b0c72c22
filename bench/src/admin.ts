import { createAdmin } from '@sd/admin'
import { publishTelemetry, SdError, type TelemetryEvents } from '@sd/core'
import { quantile } from './paired.ts'
import type { Finding } from './report.ts'

/** Events for each kind of traffic. */
const events = 10_000_000
const rounds = 10
/** A call without retries is an end of an attempt and an end of a call. */
const eventsPerCall = 2
const goalUs = 1

/** Traffic of a process: events that were made before, so that only publishing them is measured. */
interface Traffic {
  readonly subject: string
  readonly attempts: readonly TelemetryEvents['sd:v1:attempt:end'][]
}

/** Measures what `@sd/admin` adds to each call of a process while it is not read: the time of its subscribers. */
export async function benchAdmin(): Promise<readonly Finding[]> {
  const traffics: readonly Traffic[] = [
    { subject: '1 service with 3 instances', attempts: makeAttempts(1, 3, 0) },
    { subject: '20 services with 50 instances each', attempts: makeAttempts(20, 50, 0) },
    { subject: '20 services with 50 instances each, one of ten calls fails', attempts: makeAttempts(20, 50, 0.1) },
  ]
  return traffics.map(({ subject, attempts }) => {
    const costs = Array.from({ length: rounds }, () => measure(attempts))
    const cost = quantile(costs, 0.5)
    return {
      subject: `subscribers of @sd/admin, ${subject}, CPU per call`,
      measured: `${cost.toFixed(3)} µs (${quantile(costs, 0.25).toFixed(3)}–${quantile(costs, 0.75).toFixed(3)})`,
      goal: `≤ ${goalUs} µs`,
      met: cost <= goalUs,
    }
  })
}

/** CPU time per call with the subscribers, less that of publishing without subscribers, in microseconds. */
function measure(attempts: Traffic['attempts']): number {
  const alone = publishAll(attempts)
  const admin = createAdmin({ authenticate: 'loopback' })
  const counted = publishAll(attempts)
  admin.close()
  return (counted - alone) / (events / rounds / eventsPerCall)
}

/** CPU time of publishing a share of the events, in microseconds. */
function publishAll(attempts: Traffic['attempts']): number {
  const count = events / rounds / eventsPerCall
  const startedAt = process.cpuUsage()
  for (let index = 0; index < count; index++) {
    const attempt = attempts[index % attempts.length] as TelemetryEvents['sd:v1:attempt:end']
    publishTelemetry('sd:v1:attempt:end', attempt)
    publishTelemetry('sd:v1:call:end', attempt)
  }
  const { user, system } = process.cpuUsage(startedAt)
  return user + system
}

/** Ends of attempts in an order that is the same each time. */
function makeAttempts(services: number, instances: number, failedShare: number): Traffic['attempts'] {
  const error = new SdError('SD_UNAVAILABLE', 'connection refused')
  return Array.from({ length: 10_007 }, (_, index) => {
    const service = `service-${index % services}`
    const durationMs = 1 + ((index * 7_919) % 10_007) / 100
    const isFailure = index % 10 < failedShare * 10
    return {
      call: { service, method: 'GET', path: `/items/${index}?q=1`, startedAt: 0 },
      ...(isFailure ? { error } : { status: 200 }),
      durationMs,
      latencyMs: durationMs,
      attempts: 1,
      instanceId: `${service}-${(index * 31) % instances}`,
      origin: 'http://10.0.0.1:8080',
    }
  })
}
