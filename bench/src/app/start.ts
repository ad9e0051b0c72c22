import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { obtainServer, startConsul } from '@sd/test-servers'
import { type Contender, measurePaired, quantile } from '../paired.ts'
import { type Finding, formatRatio, judgeRatio } from '../report.ts'
import { openStage } from './stage.ts'

const startRounds = 41
const memoryRounds = 3
/** Time for which a process is idle before its memory is read, in milliseconds: V8 collects what the start left after about ten seconds. */
const idleMs = 20_000
const mostMegabytes = 25

const programs = {
  empty: `setInterval(() => undefined, 1e9)
process.send('ready')`,
  express: `import express from 'express'
const web = express()
web.get('/', (_, response) => response.send('hello'))
web.listen(0, '127.0.0.1', () => process.send('ready'))`,
  app: `import { createServer } from 'node:http'
import { createApp } from '@sd/app'
const app = await createApp({ service: 'orders', registry: process.argv[2], instance: { address: '127.0.0.1' } })
const server = createServer((request, response) => {
  if (!app.handle(request, response)) response.end('hello')
})
await app.start(server.listen(0, '127.0.0.1'))
process.send('ready')`,
  expressApp: `import { createApp } from '@sd/app'
import express from 'express'
const app = await createApp({ service: 'orders', registry: process.argv[2], instance: { address: '127.0.0.1' } })
const web = express()
web.use(app.middleware)
web.get('/', (_, response) => response.send('hello'))
await app.start(web.listen(0, '127.0.0.1'))
process.send('ready')`,
}

/** Measures the start and the memory of an application on two packages, @sd/app and @sd/registry-consul, on a real Consul. */
export async function benchStart(): Promise<readonly Finding[]> {
  const consul = await obtainServer('consul')
  if (!consul) throw new Error('The benchmark needs Consul: run pnpm test:servers consul')
  const server = await startConsul(consul)
  const stage = await openStage(['app', 'registry-consul'], ['express'])
  const url = `consul://127.0.0.1:${server.port}`
  const program = async (name: keyof typeof programs): Promise<() => ChildProcess> => {
    const file = await stage.write(`${name}.mjs`, programs[name])
    return () => fork(file, [url], { execArgv: [] })
  }
  try {
    const express = await program('express')
    const [alone, together] = await measurePaired(
      [untilReady('Express alone', express), untilReady('Express with @sd/app on Consul', await program('expressApp'))],
      startRounds,
    )
    if (!alone || !together) throw new Error('Nothing was measured')
    const [empty, app] = [await program('empty'), await program('app')]
    const extra: number[] = []
    for (let round = 0; round < memoryRounds; round++) {
      const [own = 0, bare = 0] = await Promise.all([app, empty].map(privateBytes))
      extra.push(own - bare)
    }
    const megabytes = quantile(extra, 0.5) / 1e6
    return [
      {
        subject: `start until it listens and is registered: ${together.name}, against Express alone until it listens`,
        measured: `${formatRatio(together)}, ${together.cost.toFixed(0)} ms against ${alone.cost.toFixed(0)}`,
        ...judgeRatio(together, 1.3),
      },
      {
        subject: 'private memory of a service on @sd/app and Consul, beside an empty Node.js',
        measured: `${megabytes.toFixed(1)} MB`,
        goal: `≤ ${mostMegabytes} MB`,
        met: megabytes <= mostMegabytes,
      },
    ]
  } finally {
    await stage.close()
    await server.close()
  }
}

/** Time from the start of the process until it is ready, in milliseconds. */
function untilReady(name: string, start: () => ChildProcess): Contender {
  return {
    name,
    async slice() {
      const startedAt = performance.now()
      const child = start()
      await once(child, 'message')
      const tookMs = performance.now() - startedAt
      await end(child)
      return tookMs
    },
  }
}

/** Memory that only this process has, after it was idle for a while. */
async function privateBytes(start: () => ChildProcess): Promise<number> {
  const child = start()
  await once(child, 'message')
  await delay(idleMs)
  const pages = await readFile(`/proc/${child.pid}/smaps_rollup`, 'utf8')
  await end(child)
  const kilobytes = [...pages.matchAll(/^Private_\w+: +(\d+) kB$/gm)].map(([, number]) => Number(number))
  return kilobytes.reduce((sum, number) => sum + number, 0) * 1_024
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}
