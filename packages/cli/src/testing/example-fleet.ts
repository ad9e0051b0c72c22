import { SdError } from '@sd/core'
import type { Fleet, FleetModel, ServiceFinding } from '@sd/fleet'
import { exampleModel } from './example-model.ts'

/** A fleet whose model and answers are written down, so that outputs are always the same. */
export interface ExampleFleet extends Fleet {
  model: FleetModel
  /** Changes that were asked for. */
  readonly changes: { readonly processId: string; readonly path: string; readonly body: object }[]
}

/** Creates one. A process named `mail-0` refuses changes. */
export function createExampleFleet(model: FleetModel = exampleModel): ExampleFleet {
  const fleet: ExampleFleet = {
    model,
    changes: [],
    refresh: () => Promise.resolve(fleet.model),
    async *watch({ signal } = {}) {
      yield fleet.model
      if (signal && !signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    },
    explain: (service, { from } = {}) => Promise.resolve(explain(fleet.model, service, from)),
    history: () => [],
    ask: (processId, path, query = {}) => answer(processId, path, query),
    change(processId, path, body) {
      if (processId === 'p-orders-2') return Promise.reject(new SdError('SD_DENIED', 'The principal is read-only'))
      fleet.changes.push({ processId, path, body })
      return Promise.resolve({ action: 'changed' })
    },
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
  return fleet
}

function explain(model: FleetModel, service: string, from: string | undefined): ServiceFinding {
  const instances = model.services.find((one) => one.service === service)?.instances ?? []
  const { traffic } = model.edges[2] as FleetModel['edges'][number]
  const callers = [
    {
      processId: 'p-shop-0',
      caller: 'shop-0',
      traffic,
      calls: { service, balancer: 'p2c', operations: [], policies: [], settings: { timeoutMs: 2_000, retry: 'on' } },
    },
    {
      processId: 'p-mail-0',
      caller: 'mail-0',
      traffic: { ...traffic, total: 0 },
      error: { code: 'SD_UNAVAILABLE', message: 'connect ECONNREFUSED', retryable: true },
    },
  ]
  return {
    service,
    at: model.at,
    isRegistered: true,
    text: `${service} has 2 instances, 1 gets traffic; 1 of 2 callers answered.`,
    instances: instances.map((instance) =>
      instance.health === 'healthy'
        ? { instance, text: 'gets traffic from all 1 caller', reasons: [] }
        : {
            instance,
            text: 'gets nothing from all 1 caller: unhealthy; the registry says unhealthy: "no disk"',
            reasons: [{ reason: 'unhealthy: no disk', callers: ['shop-0'] }],
          },
    ),
    callers: from === undefined ? callers : callers.slice(0, 1),
    callersDiffer: false,
    omittedCallers: 0,
    problems: model.problems.filter(({ about }) => about.service === service),
  }
}

function answer(processId: string, path: string, query: Readonly<Record<string, string>>): Promise<unknown> {
  if (path !== '/config') return Promise.reject(new SdError('SD_NOT_FOUND', `No ${path}`))
  if (processId === 'p-orders-1') return Promise.reject(new SdError('SD_TIMEOUT', 'No answer within 1 s'))
  const origin = { source: 'memory', key: 'orders.yaml', line: 2, written: 10 }
  const explanation = {
    source: 'environment',
    key: 'ORDERS_DB__POOL',
    written: '20',
    path: query['path'],
    value: query['path']?.includes('password') ? 'tiger-canary' : 20,
    isSecret: false,
    overrode: [origin],
  }
  return Promise.resolve({ answers: [{ config: 'orders', version: 3, explanation, more: true }, { config: 7 }, null] })
}
