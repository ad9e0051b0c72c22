import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type EtcdServer, obtainServer, startEtcd, startToxiproxy, type Toxiproxy } from './index.ts'
import { probePort } from './network.ts'

const etcd = await obtainServer('etcd', { own: true })
const toxiproxy = await obtainServer('toxiproxy')

async function isHealthy(port: number, limitMs: number = 1_000): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(limitMs) }).then(
    ({ ok }) => ok,
    () => false,
  )
}

describe.runIf(etcd && toxiproxy)('a test server', () => {
  let server: EtcdServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!etcd || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startEtcd(etcd), startToxiproxy(toxiproxy)])
  })
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  test('can be stopped, started, killed, paused and emptied', async () => {
    await server.stop()
    expect(await isHealthy(server.port)).toBe(false)
    await server.start()
    expect(await isHealthy(server.port)).toBe(true)
    await expect(server.start()).rejects.toThrow('is already running')
    const marker = join(server.folder, 'etcd')
    expect(existsSync(marker)).toBe(true)
    await server.pause()
    // A signal takes effect slightly after it was sent.
    await vi.waitFor(async () => expect(await isHealthy(server.port, 300)).toBe(false), 5_000)
    await server.resume()
    expect(await isHealthy(server.port)).toBe(true)
    await server.restartEmpty()
    expect(await isHealthy(server.port)).toBe(true)
    await server.kill()
    await server.kill()
    expect(await isHealthy(server.port)).toBe(false)
    await server.start()
  })

  test('can be cut off, slowed down, reset and silenced by the proxy', async () => {
    const link = await proxy.link(server.port)
    expect(await isHealthy(link.port)).toBe(true)
    await link.cut()
    expect(await isHealthy(link.port)).toBe(false)
    await link.restore()
    await link.blackHole()
    expect(await isHealthy(link.port, 300)).toBe(false)
    await link.restore()
    await link.delay(200)
    const startedAt = performance.now()
    expect(await isHealthy(link.port, 5_000)).toBe(true)
    expect(performance.now() - startedAt).toBeGreaterThan(350)
    await link.restore()
    await link.reset(10)
    expect(await isHealthy(link.port)).toBe(false)
    await link.restore()
    await link.slice(5)
    expect(await isHealthy(link.port, 5_000)).toBe(true)
    await link.close()
    await expect(probePort(link.port)).rejects.toThrow()
  })

  test('that does not become ready is an error with the end of its log', async () => {
    if (etcd?.kind !== 'binary') return
    await expect(startEtcd({ ...etcd, path: '/bin/false' })).rejects.toThrow('etcd did not become ready')
  })

  test('is stopped and its data deleted after the test process was killed', async () => {
    const program = fileURLToPath(new URL('testing/start-and-wait.ts', import.meta.url))
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] })
    const line = await new Promise<string>((resolve) => child.stdout.once('data', (chunk: Buffer) => resolve(String(chunk))))
    const { port, folder } = JSON.parse(line) as { port: number; folder: string }
    expect(await isHealthy(port)).toBe(true)
    child.kill('SIGKILL')
    await vi.waitFor(async () => {
      expect(await isHealthy(port, 200)).toBe(false)
      expect(existsSync(folder)).toBe(false)
    }, 10_000)
  })

  test('is noted for the table', async () => {
    const notes = await readFile('coverage/servers.ndjson', 'utf8')
    expect(notes).toContain('"server":"etcd"')
  })
})
