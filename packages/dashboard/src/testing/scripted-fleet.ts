import { type AlertsAnswer, SdError } from '@sd/core'
import type { FleetModel, ServiceFinding } from '@sd/fleet'
import type { DashboardFleet } from '../fleet-interface.ts'
import { type Fault, moving, traffic } from './script.ts'
import { answerOf } from './script-answers.ts'
import { modelOf } from './script-model.ts'

/** Options of {@link createScriptedFleet}. */
export interface ScriptedFleetOptions {
  /** Time of the first model, in Unix milliseconds. @default now */
  readonly startsAt?: number
  /** Services besides the four of the script. @default 0 */
  readonly moreServices?: number
  /** Processes of these services. @default 0 */
  readonly moreProcesses?: number
  /** Text that is put into every name and message. @default none */
  readonly hostile?: string
}

/** A fleet of four services and nine processes, whose faults are scripted. */
export interface ScriptedFleet extends DashboardFleet {
  /** Sets or removes a fault, and publishes a model. */
  set(fault: Fault, isOn: boolean): void
  /** Publishes a model of a later time. */
  advance(ms: number): void
  /** Number of watches that are open. */
  readonly watches: number
  /** The changes that were made: process, path and body. */
  readonly changes: readonly { readonly processId: string; readonly path: string; readonly body: object }[]
}

/** Creates the fleet of the script, without faults. */
export function createScriptedFleet(options: ScriptedFleetOptions = {}): ScriptedFleet {
  const { startsAt = Date.now(), moreServices = 0, moreProcesses = 0, hostile = '' } = options
  const faults = new Map<Fault, number>()
  const changes: { readonly processId: string; readonly path: string; readonly body: object }[] = []
  const waiting = new Set<() => void>()
  let silences: AlertsAnswer['silences'] = []
  let at = startsAt
  let breaker = 'open'
  let watches = 0
  let model = build()

  function build(): FleetModel {
    return modelOf({
      at,
      startsAt,
      faults,
      breaker,
      silences,
      hostile,
      more: { services: moreServices, processes: moreProcesses },
    })
  }
  function publish(): void {
    model = build()
    for (const wake of waiting) wake()
    waiting.clear()
  }

  async function* watch({ signal }: { readonly signal?: AbortSignal } = {}): AsyncGenerator<FleetModel> {
    watches++
    try {
      let sent: FleetModel | undefined
      while (!signal?.aborted) {
        if (sent !== model) {
          sent = model
          yield model
          continue
        }
        await new Promise<void>((resolve) => {
          waiting.add(resolve)
          signal?.addEventListener('abort', () => resolve(), { once: true })
        })
      }
    } finally {
      watches--
    }
  }

  return {
    get model() {
      return model
    },
    get watches() {
      return watches
    },
    changes,
    watch,
    set(fault, isOn) {
      if (isOn) faults.set(fault, at)
      else faults.delete(fault)
      if (fault === 'breaker') breaker = 'open'
      at += 1_000
      publish()
    },
    advance(ms) {
      at += ms
      publish()
    },
    explain: async (service) => findingOf(service, model),
    async ask(processId, path, query = {}) {
      const process = model.processes.find((one) => one.processId === processId)
      if (!process) throw new SdError('SD_NOT_FOUND', `No process ${processId}`)
      if (process.state !== 'answers') throw new SdError('SD_TIMEOUT', `${process.name} does not answer`)
      return answerOf(path, query, at)
    },
    async change(processId, path, body) {
      changes.push({ processId, path, body })
      if (path.startsWith('/breakers/')) breaker = (body as { readonly state: string }).state
      if (path === '/alerts/silences') silences = [{ id: 's2', rule: 'panic', endsAt: at + 3_600_000, comment: 'known' }]
      at += 1_000
      publish()
      return { action: path, target: processId }
    },
    history: () =>
      Array.from({ length: 60 }, (_, index) => ({
        at: at - (60 - index) * 5_000,
        perSecond: moving(90, at - (60 - index) * 5_000, 1),
        failedShare: 0,
        meanMs: 24,
        p99Ms: moving(60, at - (60 - index) * 5_000, 2),
      })),
  }
}

function findingOf(service: string, { at, services, processes }: FleetModel): ServiceFinding {
  if (!services.some((one) => one.service === service)) throw new SdError('SD_NOT_FOUND', `No service ${service}`)
  const asked = processes.filter(({ name }) => name === 'shop-0' || name === 'reports')
  return {
    service,
    at,
    isRegistered: true,
    text: `${service} gets traffic`,
    instances: [],
    omittedCallers: 0,
    problems: [],
    callersDiffer: false,
    callers: asked.map(({ processId, name }) => ({
      processId,
      caller: name,
      traffic: traffic(48, 25),
      calls: { service, balancer: 'p2c', operations: [], policies: [], settings: { timeoutMs: 3_000, retries: 2 } },
    })),
  }
}
