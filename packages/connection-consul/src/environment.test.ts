import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createCertificates } from '@sd/test-servers'
import { afterEach, expect, test } from 'vitest'
import { startFakeAgent } from './testing/fake-agent.ts'

// The first two columns of the table in docs/guides/operations.md, for the clients that use node:http with their own
// agent.

const run = promisify(execFile)
const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

/** Pings an agent from a process with this environment. */
async function ping(endpoint: string, env: Readonly<Record<string, string>>): Promise<string> {
  const code = `
    import { createConsulConnection, ping, resolveConsulConnectionOptions } from '@sd/connection-consul'
    const connection = createConsulConnection(resolveConsulConnectionOptions({ servers: ['${endpoint}'], operationTimeoutMs: 5_000 }, 'consul'))
    console.log(await connection.run(ping).then(() => 'reached', (error) => error.message))
    connection.close()`
  const { stdout } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', code], {
    cwd: import.meta.dirname,
    env: { PATH: process.env['PATH'], ...env },
  })
  return stdout.trim()
}

test('proxies in the environment are not used, even where Node itself would use them', { timeout: 60_000 }, async () => {
  let proxied = 0
  const proxy = createServer((socket) => {
    proxied++
    socket.destroy()
  })
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  const agent = await startFakeAgent(() => ({ body: '127.0.0.1:8300' }))
  open.push(agent, proxy)
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const env = { http_proxy: url, HTTP_PROXY: url, https_proxy: url, HTTPS_PROXY: url, NODE_USE_ENV_PROXY: '1' }
  expect([await ping(agent.endpoint, env), proxied]).toEqual(['reached', 0])
})

test('a CA in NODE_EXTRA_CA_CERTS is trusted, an unknown one is not', { timeout: 60_000 }, async () => {
  const { ca, server } = await createCertificates(['127.0.0.1'])
  const secure = createSecureServer({ cert: server.cert, key: server.key }, (_, response) => {
    response.setHeader('content-type', 'application/json')
    response.end('"127.0.0.1:8300"')
  })
  await once(secure.listen(0, '127.0.0.1'), 'listening')
  const folder = await mkdtemp(join(tmpdir(), 'sd-ca-'))
  open.push(secure, { close: () => rm(folder, { recursive: true }) })
  await writeFile(join(folder, 'ca.pem'), ca)
  const endpoint = `https://127.0.0.1:${(secure.address() as AddressInfo).port}`
  expect(await ping(endpoint, { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') })).toBe('reached')
  expect(await ping(endpoint, {})).toContain('tls.ca')
})
