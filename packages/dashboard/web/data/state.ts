import { type Signal, signal } from '@preact/signals'
import type { FleetModel } from '@sd/fleet'
import type { SessionAnswer } from '../../src/protocol.ts'

/** Whether the model is current. */
export interface Connection {
  readonly state: 'connecting' | 'live' | 'polling' | 'stale'
  /** When it entered that state, by the clock of this machine. */
  readonly since: number
}

/** The user; `undefined` before the server answered. */
export const session: Signal<SessionAnswer | undefined> = signal(undefined)
/** The newest model. */
export const model: Signal<FleetModel | undefined> = signal(undefined)
/** Whether the model is current. */
export const connection: Signal<Connection> = signal({ state: 'connecting', since: Date.now() })
/** The time by the clock of the server, in Unix milliseconds; changes each second. */
export const now: Signal<number> = signal(Date.now())
/** Calls per second of each service since the page was opened, for small charts. */
export const trends: Map<string, number[]> = new Map()

/** Values of one small chart: five minutes at one each two seconds. */
const trendLength = 150

let receivedAt = performance.now()

/** Shows a new model. */
export function setModel(next: FleetModel): void {
  receivedAt = performance.now()
  const services = new Set<string>()
  for (const { service, traffic } of next.services) {
    services.add(service)
    const values = trends.get(service) ?? []
    values.push(traffic.perSecond)
    if (values.length > trendLength) values.shift()
    trends.set(service, values)
  }
  for (const service of trends.keys()) if (!services.has(service)) trends.delete(service)
  model.value = next
  tick()
}

/** Sets the state of the connection, if it changed. */
export function setConnection(state: Connection['state']): void {
  if (connection.value.state !== state) connection.value = { state, since: Date.now() }
}

/** Moves the clock on: by the time of the server, because clocks differ. */
export function tick(): void {
  const { value } = model
  now.value = value ? value.at + (performance.now() - receivedAt) : Date.now()
}
