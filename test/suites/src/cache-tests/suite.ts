import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createGateway } from '@sd/gateway'
import { createCacheFilter } from '@sd/gateway-cache'
import { eventually } from '@sd/testing'
import type { FileResult, Suite } from '../list.ts'
import { createFixedSource } from '../origin-source.ts'
import { exclusions, outOfScope } from './reasons.ts'

/** The parts of http-tests/cache-tests that are used here. */
interface TestGroup {
  readonly tests: readonly { readonly id: string }[]
}
interface Runner {
  runTests(groups: readonly TestGroup[], isBrowser: boolean, base: string): Promise<void>
  getResults(): Readonly<Record<string, unknown>>
}
interface Results {
  determineTestResult(
    groups: readonly TestGroup[],
    id: string,
    results: Readonly<Record<string, unknown>>,
    honorsDependencies: boolean,
  ): readonly string[]
}

let base = ''

/** http-tests/cache-tests, through a gateway with the filter `cache`. What the suite only asks about fails if the answer is no. */
export const cacheTestsSuite: Suite = {
  name: 'cache-tests',
  variable: 'SD_CACHE_TESTS',
  findFiles: (checkout) =>
    readdirSync(join(checkout, 'tests'))
      .filter((name) => name.endsWith('.mjs') && name !== 'index.mjs')
      .map((name) => `tests/${name}`),
  runFile,
  outOfScope,
  exclusions,
  start,
}

async function runFile(checkout: string, file: string): Promise<FileResult> {
  const load = async <T>(path: string): Promise<T> => (await import(pathToFileURL(join(checkout, path)).href)) as T
  const { default: group } = await load<{ default: TestGroup }>(file)
  const { default: all } = await load<{ default: readonly TestGroup[] }>('tests/index.mjs')
  const { runTests, getResults } = await load<Runner>('test-engine/client/runner.mjs')
  const { determineTestResult } = await load<Results>('test-engine/lib/results.mjs')
  await runTests([group], false, base)
  const results = getResults()
  const tests = new Map<string, string | undefined>()
  for (const { id } of group.tests) {
    if (!(id in results)) continue
    const [, , symbol] = determineTestResult(all, id, results, false)
    tests.set(id, symbol === '✅' || symbol === 'Y' ? undefined : `${symbol} ${JSON.stringify(results[id])}`)
  }
  return { tests, crash: undefined }
}

/** Starts the server of the suite, and a gateway in front of it. */
async function start(checkout: string): Promise<() => Promise<void>> {
  const port = await freePort()
  const env = { ...process.env, npm_config_protocol: 'http', npm_config_port: String(port), npm_config_pidfile: '/dev/null' }
  const server = spawn(process.execPath, ['test-engine/server/server.mjs'], { cwd: checkout, env, stdio: 'ignore' })
  await eventually(async () => void (await fetch(`http://127.0.0.1:${port}/`)), 20_000)
  const source = createFixedSource('127.0.0.1', port)
  const discovery = createDiscovery({ source })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
  const cache = createCacheFilter()
  const gateway = await createGateway({
    client,
    filters: { cache },
    table: {
      listeners: [{ name: 'edge', address: '127.0.0.1:0' }],
      routes: [{ name: 'tests', forward: { service: 'tests' }, filters: [{ filter: 'cache', targets: ['cdn-cache-control'] }] }],
    },
  })
  base = `http://127.0.0.1:${gateway.addresses[0]?.port}`
  return async () => {
    await gateway.close()
    await Promise.all([cache.close(), client.close(), discovery.close(), source.close()])
    server.kill()
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
