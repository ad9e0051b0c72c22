import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { prepareServer, prepareServers } from './build.ts'
import { createCertificates } from './certificates.ts'
import type { ServerName } from './recipes.ts'
import { findServer, obtainServer } from './sources.ts'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

async function withProgram(name: string, script: string, use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sd-program-'))
  await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`)
  await chmod(join(folder, name), 0o755)
  vi.stubEnv('PATH', `${folder}${delimiter}${process.env['PATH']}`)
  try {
    await use(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

describe('the source of a server', () => {
  test('an address in the environment comes first, unless the test must own the server', async () => {
    vi.stubEnv('SD_TEST_CONSUL', 'http://127.0.0.1:1')
    expect(await findServer('consul')).toMatchObject({ kind: 'address', address: 'http://127.0.0.1:1' })
    expect(await findServer('consul', { own: true })).not.toMatchObject({ kind: 'address' })
  })

  test('then a binary on PATH, with its own version', async () => {
    await withProgram('redis-server', 'echo "Redis server v=9.8.7"', async (folder) => {
      const path = join(folder, 'redis-server')
      expect(await findServer('redis')).toMatchObject({ kind: 'binary', path, version: '9.8.7' })
    })
  })

  test('a missing server is undefined, and an error in CI', async () => {
    vi.stubEnv('PATH', '/nowhere')
    vi.stubEnv('CI', '')
    const folder = await mkdtemp(join(tmpdir(), 'sd-notes-'))
    const notes = join(folder, 'servers.ndjson')
    const warn = vi.spyOn(console, 'warn').mockReturnValue(undefined)
    // Without java on PATH there is no ZooKeeper, even if its jars are in the cache.
    expect(await obtainServer('zookeeper', { notes })).toBeUndefined()
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('NOT RUN: no zookeeper server'))
    vi.stubEnv('CI', 'true')
    await expect(obtainServer('zookeeper', { notes })).rejects.toThrow('NOT RUN')
    expect(await readFile(notes, 'utf8')).toBe('{"server":"zookeeper"}\n'.repeat(2))
    await expect(prepareServer('zookeeper', () => undefined)).rejects.toThrow('mvn is not on PATH. Install Maven and a JDK 17')
    warn.mockRestore()
    await rm(folder, { recursive: true })
  })

  test('a container engine is used only if its daemon responds', async () => {
    await withProgram('docker', '[ "$1" = info ] && exit 0', async (folder) => {
      vi.stubEnv('PATH', folder)
      vi.stubEnv('HOME', folder)
      const { findServer: findAfresh } = await freshSources()
      expect(await findAfresh('etcd')).toMatchObject({ kind: 'container', engine: 'docker' })
      expect(await findAfresh('zookeeper')).toBeUndefined()
    })
    await withProgram('docker', 'exit 1', async (folder) => {
      vi.stubEnv('PATH', folder)
      vi.stubEnv('HOME', folder)
      const { findServer: findAfresh } = await freshSources()
      expect(await findAfresh('etcd')).toBeUndefined()
    })
  })
})

test('servers are built two at a time, and a failed build does not affect the others', async () => {
  vi.spyOn(process, 'availableMemory').mockReturnValue(16 * 1024 ** 3)
  const ended: (() => void)[] = []
  const begun: ServerName[] = []
  const outcomes = prepareServers(
    ['kubernetes', 'etcd', 'redis'],
    () => undefined,
    async (name) => {
      begun.push(name)
      await new Promise<void>((resolve) => ended.push(resolve))
      if (name === 'etcd') throw new Error('no Go')
      return { kind: 'address', address: name, version: '1' }
    },
  )
  expect(begun).toEqual(['kubernetes', 'etcd'])
  ended[1]?.()
  await vi.waitFor(() => expect(begun).toEqual(['kubernetes', 'etcd', 'redis']))
  for (const end of ended) end()
  expect(await outcomes).toMatchObject(
    new Map<string, unknown>([
      ['kubernetes', { address: 'kubernetes' }],
      ['etcd', new Error('no Go')],
      ['redis', { address: 'redis' }],
    ]),
  )
})

test('with little memory servers are built one after another', async () => {
  vi.spyOn(process, 'availableMemory').mockReturnValue(4 * 1024 ** 3)
  let running = 0
  let most = 0
  await prepareServers(['kubernetes', 'etcd', 'redis'], vi.fn(), async (name) => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setImmediate(resolve))
    running--
    return { kind: 'address', address: name, version: '1' }
  })
  expect(most).toBe(1)
})

/** Loads the module again, because it reads the home folder when it is loaded. */
async function freshSources(): Promise<typeof import('./sources.ts')> {
  vi.resetModules()
  return import('./sources.ts')
}

test('certificates are signed by their own authority', async () => {
  const { X509Certificate } = await import('node:crypto')
  const { ca, server, client } = await createCertificates(['consul.test'])
  const authority = new X509Certificate(ca)
  for (const { cert } of [server, client]) expect(new X509Certificate(cert).verify(authority.publicKey)).toBe(true)
  expect(new X509Certificate(server.cert).checkHost('consul.test')).toBe('consul.test')
  expect(new X509Certificate(server.cert).checkIP('127.0.0.1')).toBe('127.0.0.1')
})
