import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createRegistry } from '@sd/registry'
import { type EtcdServer, freePort, obtainServer, startEtcd } from '@sd/test-servers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const run = promisify(execFile)
const main = fileURLToPath(new URL('./main.ts', import.meta.url))
const etcd = await obtainServer('etcd', { own: true })

describe.runIf(etcd)('with --registry', () => {
  let server: EtcdServer
  beforeAll(async () => {
    if (etcd) server = await startEtcd(etcd)
  })
  afterAll(() => server.close())

  test('instances are processes, a killed one loses its lease, no call fails and no registration remains', {
    timeout: 90_000,
  }, async () => {
    const url = `etcd://127.0.0.1:${server.port}/my/prefix`
    const { stdout } = await run(process.execPath, [main, '--registry', `${url}?operationTimeoutMs=4000`, '--rate', '100'])
    for (const line of [
      new RegExp(`registry +${url} \\(each instance is a separate process\\)\n`),
      /joined/,
      /leaves gracefully/,
      /is killed/,
      /failures +0/,
      /graceful leave .*: 0 failed calls/,
      /no more traffic after \d\.\d s; its lease ended after \d\.\d s/,
    ]) {
      expect(stdout).toMatch(line)
    }
    expect(stdout).not.toContain('operationTimeoutMs')
    const [, requests] = /requests +(\d+)/.exec(stdout) ?? []
    expect(Number(requests)).toBeGreaterThan(1_000)
    await using registry = await createRegistry(url)
    expect(await registry.listServices()).toEqual([])
  })

  test('a port in use is reported by the instance, and ends the program with code 2', { timeout: 30_000 }, async () => {
    const args = ['--registry', `etcd://127.0.0.1:${server.port}`, '--port', String(server.port - 1)]
    await expect(run(process.execPath, [main, ...args])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('EADDRINUSE'),
    })
  })

  test('an unreachable registry ends the program with code 1, without showing its password', { timeout: 30_000 }, async () => {
    const port = await freePort()
    const failure: unknown = await run(process.execPath, [main, '--registry', `etcd://me:secret@127.0.0.1:${port}`]).catch(
      (error: unknown) => error,
    )
    expect(failure).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(`etcd://127.0.0.1:${port} can't be used`),
    })
    expect((failure as { stderr: string }).stderr).not.toContain('secret')
  })
})
