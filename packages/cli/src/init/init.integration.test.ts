import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort, obtainServer, startConsul, startNacos } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sdctl } from '../testing/run-sdctl.ts'
import { expectSchema } from '../testing/schemas.ts'

const patienceMs = 60_000
const home = fileURLToPath(new URL('../..', import.meta.url))
const consul = await obtainServer('consul')
const nacos = await obtainServer('nacos')

/** Starts the registry of a test. */
interface Backend {
  readonly url: string
  close(): Promise<void>
}

const backends: Readonly<Record<string, (() => Promise<Backend>) | undefined>> = {
  memory: () => Promise.resolve({ url: 'memory:', close: () => Promise.resolve() }),
  consul:
    consul &&
    (async () => {
      const server = await startConsul(consul)
      return { url: `consul://127.0.0.1:${server.port}`, close: () => server.close() }
    }),
  nacos:
    nacos &&
    (async () => {
      const server = await startNacos(nacos)
      return { url: `nacos://127.0.0.1:${server.port}`, close: () => server.close() }
    }),
}

let folder = ''
beforeAll(async () => {
  // Below this package, so that the services find their dependencies.
  await mkdir(join(home, '.cache'), { recursive: true })
  folder = await mkdtemp(join(home, '.cache', 'start-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Runs the service as `npm start` does. Its types are checked with those of all pairs. */
async function start(name: string, framework: string, env: Readonly<Record<string, string>>) {
  const cwd = join(folder, name)
  const isCompiled = framework === 'nestjs'
  if (isCompiled) await promisify(execFile)(join(home, 'node_modules/.bin/tsc'), ['--noCheck'], { cwd })
  const child = spawn(process.execPath, [isCompiled ? 'dist/main.js' : 'src/main.ts'], {
    cwd,
    // The services share most of their modules.
    env: { ...process.env, ...env, NODE_COMPILE_CACHE: join(home, '.cache', 'compiled') },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = once(child, 'exit')
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  return { child, exited, errors: () => errors }
}

const frameworks = ['express', 'fastify', 'nestjs']

// Most of their time is the end, in which callers learn that they leave: all of them do it at once.
describe.concurrent.each(Object.keys(backends))('a service on %s', (registry) => {
  const startBackend = backends[registry]
  describe.runIf(startBackend)('that was written', () => {
    let backend: Backend
    beforeAll(async () => {
      backend = await (startBackend as () => Promise<Backend>)()
    })
    afterAll(() => backend.close())

    test.for(frameworks)(
      'for %s starts, answers, is found, and ends',
      { timeout: 120_000 },
      async (framework, { onTestFinished }) => {
        const name = `${framework}-${registry}`
        const { code } = await sdctl(['init', name, '--framework', framework, '--registry', registry], { cwd: folder })
        expect(code).toBe(0)
        const port = await freePort()
        const { child, exited, errors } = await start(name, framework, { PORT: String(port), REGISTRY: backend.url })
        onTestFinished(() => void child.kill('SIGKILL'))
        await eventually(async () => {
          expect(child.exitCode, errors()).toBeNull()
          const response = await fetch(`http://127.0.0.1:${port}/hello/Ada`)
          expect(await response.json()).toEqual({ hello: 'Ada' })
        }, patienceMs)
        if (registry !== 'memory') {
          await eventually(async () => {
            const { out } = await sdctl(['instances', name, '--registry', backend.url, '--json'])
            expect(expectSchema(out)).toMatchObject({ instances: [{ port, health: { status: 'healthy' } }] })
          }, patienceMs)
        }
        child.kill('SIGTERM')
        expect(await exited, errors()).toEqual([0, null])
      },
    )
  })
})
