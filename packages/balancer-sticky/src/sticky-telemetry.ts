import { type Endpoint, hasTelemetrySubscribers, publishTelemetry, type TelemetryEvents } from '@sd/core'
import type { StickyStatistics } from './statistics.ts'

type PickOutcome = TelemetryEvents['sd:v1:sticky:pick']['outcome']
type SessionChange = TelemetryEvents['sd:v1:sticky:session']['change']

/** Counts and publishes the decisions of one balancer. An event is created only if there is a subscriber. */
export class StickyTelemetry {
  readonly #balancer: string
  #hits = 0
  readonly #picks: Record<Exclude<PickOutcome, 'hit'>, number> = { started: 0, moved: 0, diverted: 0, unkeyed: 0 }
  readonly #sessions: Record<SessionChange, number> = { started: 0, moved: 0, expired: 0, evicted: 0 }

  constructor(balancer: string) {
    this.#balancer = balancer
  }

  /** A request goes to an endpoint. Without one there is nothing to publish, because the service is unknown. */
  notePick(outcome: PickOutcome, endpoint: Endpoint | undefined): void {
    // Nearly all picks are hits, and a property that is known costs less than one that is looked up.
    if (outcome === 'hit') this.#hits++
    else this.#picks[outcome]++
    if (!endpoint || !hasTelemetrySubscribers('sd:v1:sticky:pick')) return
    publishTelemetry('sd:v1:sticky:pick', { balancer: this.#balancer, service: endpoint.instance.service, outcome })
  }

  /** A session of an endpoint changed. */
  noteSession(change: SessionChange, { instance: { service } }: Endpoint): void {
    this.#sessions[change]++
    if (!hasTelemetrySubscribers('sd:v1:sticky:session')) return
    publishTelemetry('sd:v1:sticky:session', { balancer: this.#balancer, service, change })
  }

  /** The counts since the creation. */
  statistics(): StickyStatistics {
    const { diverted, unkeyed } = this.#picks
    const { started, moved, expired, evicted } = this.#sessions
    return { hits: this.#hits, started, moved, diverted, expired, evicted, unkeyed }
  }
}
