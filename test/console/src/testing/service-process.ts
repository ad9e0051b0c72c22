import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { createApp } from '@sd/app'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createEtcdConfigSource } from '@sd/config-etcd'
import { electLeader, untilAborted } from '@sd/core'
import { createEtcdLock } from '@sd/lock-etcd'
import {
  configKey,
  configPrefix,
  lockKey,
  lockTtlMs,
  type Message,
  type Order,
  type Role,
  registrationTtlMs,
  usualMs,
} from '../roles.ts'

// A process of the fleet: its argument is its role. It takes orders over IPC, and ends with the process that started it.

/** Time between two calls, in milliseconds. */
const callEveryMs = 40
/** Calls that may be open at once. A slow service must not collect more and more of them. */
const mostOpen = 50

const { service, id, etcd, next, calls, isCandidate = false } = JSON.parse(process.argv[2] ?? '') as Role
const needs = [next, calls].filter((one) => one !== undefined)
let answerAfterMs = usualMs[service]
const counts = { requests: 0, good: 0, failed: 0 }

const app = await createApp({
  service,
  version: '1.0.0',
  registry: `etcd://${etcd}?ttlMs=${registrationTtlMs}`,
  instance: { id, address: '127.0.0.1' },
  needs,
  // The default balancer avoids a slow instance by itself, and hedges hide it from callers.
  client: { balancer: createRoundRobinBalancer(), hedge: false },
  admin: { port: 0, controls: { breakers: true, draining: true }, onAudit: () => undefined },
  ...(service === 'orders' && {
    config: {
      name: configKey,
      env: false,
      center: createEtcdConfigSource({ servers: [etcd], prefix: configPrefix, keys: [configKey] }),
    },
  }),
})

const server = createServer(async (request, response) => {
  if (app.handle(request, response)) return
  counts.requests++
  try {
    if (next) await (await app.client.get(next, '/')).text()
    await delay(answerAfterMs)
    response.end('done')
  } catch {
    response.writeHead(503).end()
  }
}).listen(0, '127.0.0.1')
await once(server, 'listening')
await app.start(server)

if (isCandidate) {
  const lock = createEtcdLock({ servers: [etcd], ttlMs: lockTtlMs })
  // It leads until it loses the lock, and is a candidate again.
  void electLeader(lock, lockKey, { candidate: id, signal: new AbortController().signal }, ({ signal }) => untilAborted(signal))
}

if (calls) {
  let open = 0
  setInterval(async () => {
    if (open >= mostOpen) return
    open++
    try {
      await (await app.client.get(calls, '/')).ensureOk().text()
      counts.good++
    } catch {
      counts.failed++
    }
    open--
  }, callEveryMs)
}

function tell(message: Message): void {
  process.send?.(message)
}

process.on('message', (order: Order) => {
  if (order.kind === 'answer-after') answerAfterMs = order.ms
  else tell({ kind: 'counts', ...counts })
})
process.once('disconnect', () => process.exit())
tell({ kind: 'ready' })
