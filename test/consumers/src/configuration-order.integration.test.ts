import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createNacosConfigSource } from '@sd/config-nacos'
import { type NacosServer, obtainRuntime, obtainServer, startNacos } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const nacos = await obtainServer('nacos')
const program = fileURLToPath(new URL('./testing/configuration-program.ts', import.meta.url))

describe.runIf(nacos)(
  'configuration of an application: Nacos wins over the environment, it over the file, and it over defaults',
  () => {
    let server: NacosServer
    let folder: string
    beforeAll(async () => {
      if (nacos) server = await startNacos(nacos)
      folder = await mkdtemp(join(tmpdir(), 'sd-order-'))
      await writeFile(join(folder, 'orders.yaml'), 'b: file\nc: file\nd: file\n')
    })
    afterAll(async () => {
      await server.close()
      await rm(folder, { recursive: true })
    })

    test.each(['node24', 'bun'] as const)('on %s', { timeout: 90_000 }, async (runtime) => {
      const namespace = randomUUID()
      const center = createNacosConfigSource({ servers: [`127.0.0.1:${server.port}`], dataIds: ['orders.yaml'], namespace })
      await center.put('orders.yaml', 'd: nacos')
      const child = spawn(await obtainRuntime(runtime), [program, join(folder, 'orders.yaml'), String(server.port), namespace], {
        env: { ...process.env, ORDERS_C: 'environment', ORDERS_D: 'environment' },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const exited = once(child, 'close')
      let latest: unknown
      createInterface({ input: child.stdout }).on('line', (line) => {
        latest = JSON.parse(line)
      })
      const shows = (wanted: object): Promise<void> => eventually(() => expect(latest).toEqual(wanted), 30_000)
      try {
        await shows({ a: 'defaults', b: 'file', c: 'environment', d: 'nacos' })
        await center.put('orders.yaml', 'c: nacos')
        await shows({ a: 'defaults', b: 'file', c: 'nacos', d: 'environment' })
        await center.delete('orders.yaml')
        await shows({ a: 'defaults', b: 'file', c: 'environment', d: 'environment' })
        child.kill('SIGTERM')
        expect(await exited).toEqual([0, null])
      } finally {
        child.kill('SIGKILL')
        await center.close()
      }
    })
  },
)
