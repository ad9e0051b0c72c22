import { connect } from 'node:net'
import type { SdError } from '@sd/core'
import { type ConsulServer, createCertificates, obtainServer, startConsul } from '@sd/test-servers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type ConsulTarget, createConsulConnection, resolveConsulConnectionOptions } from './index.ts'

const consul = await obtainServer('consul', { own: true })
const managementToken = 'the-management-token'

/** Result of an operation on this server. */
async function failureOf(port: number, token: string, operation: (target: ConsulTarget) => Promise<unknown>): Promise<SdError> {
  const settings = resolveConsulConnectionOptions({ servers: [`127.0.0.1:${port}`], token }, 'consul')
  const connection = createConsulConnection(settings)
  try {
    return (await connection.run(operation).then(
      () => undefined,
      (error: unknown) => error,
    )) as SdError
  } finally {
    connection.close()
  }
}

const put =
  (path: string, body: unknown) =>
  ({ client, headers, options: { ctx } }: ConsulTarget): Promise<unknown> =>
    client._put({ path, body, headers, ctx })

describe.runIf(consul)('refusals of an agent', { timeout: 60_000 }, () => {
  let server: ConsulServer
  let token: string
  beforeAll(async () => {
    if (!consul) return
    server = await startConsul(consul, { managementToken })
    const made = (await server.call('PUT', '/v1/acl/token', { Description: 'may do nothing' })) as { readonly SecretID: string }
    token = made.SecretID
  })
  afterAll(() => server.close())

  const checkAndSet = (index: number): unknown => [{ KV: { Verb: 'cas', Key: 'a', Value: 'eA==', Index: index } }]
  const cases: readonly (readonly [string, (target: ConsulTarget) => Promise<unknown>, RegExp, string])[] = [
    [
      'registering',
      put('/agent/service/register', { Name: 'orders', Port: 80 }),
      /PUT \/v1\/agent\/service\/register.*service:write.*"orders"/,
      'service_prefix "…" { policy = "write" }',
    ],
    [
      'deregistering in the catalogue',
      put('/catalog/deregister', { Node: 'x' }),
      /PUT \/v1\/catalog\/deregister.*Permission denied/,
      'operator = "write"',
    ],
    ['writing a key', put('/kv/a', 'x'), /PUT \/v1\/kv\/a.*key:write.*"a"/, 'key_prefix "…"'],
    [
      'reading a key',
      ({ client, options }) => client.kv.get({ ...options, key: 'a' }),
      /GET \/v1\/kv\/a.*key:read.*"a"/,
      'key_prefix "…"',
    ],
    ['a transaction', put('/txn', checkAndSet(0)), /PUT \/v1\/txn.*key:write.*a/, 'key_prefix "…"'],
    [
      'a session',
      put('/session/create', {}),
      /PUT \/v1\/session\/create.*session:write/,
      'session_prefix "" { policy = "write" }',
    ],
  ]
  test.each(cases)('%s names permission, resource and a hint', async (_, operation, what, way) => {
    const error = await failureOf(server.port, token, operation)
    expect(error).toMatchObject({ code: 'SD_DENIED', retryable: false, message: expect.stringMatching(what) })
    expect(error.message).toContain(`the token's policy needs ${way}`)
    expect(error.message).not.toContain(token)
  })

  test('an unknown token, and a transaction with a conflict, are different errors', async () => {
    const unknown = await failureOf(server.port, '00000000-0000-0000-0000-000000000000', put('/kv/a', 'x'))
    expect(unknown).toMatchObject({ code: 'SD_DENIED', message: expect.stringContaining('ACL not found') })
    expect(await failureOf(server.port, managementToken, put('/txn', checkAndSet(0)))).toBeUndefined()
    expect(await failureOf(server.port, managementToken, put('/txn', checkAndSet(7)))).toMatchObject({ code: 'SD_CONFLICT' })
  })
})

test.runIf(consul)('the error of an overloaded agent is retryable', { timeout: 60_000 }, async () => {
  if (!consul) return
  const limits = { http_max_conns_per_client: 4, request_limits: { mode: 'enforcing', read_rate: -1, write_rate: 0.01 } }
  await using server = await startConsul(consul, { config: { limits } })
  const write = put('/kv/a', 'x')
  await vi.waitFor(async () => expect(await failureOf(server.port, 'any', write)).toBeDefined(), { timeout: 20_000 })
  expect(await failureOf(server.port, 'any', write)).toMatchObject({
    code: 'SD_UNAVAILABLE',
    retryable: true,
    message: expect.stringContaining('rate limit'),
  })
  const held = Array.from({ length: 8 }, () => connect(server.port, '127.0.0.1').on('error', () => undefined))
  const read = ({ client, options }: ConsulTarget): Promise<unknown> => client.status.leader(options)
  await vi.waitFor(
    async () =>
      expect(await failureOf(server.port, 'any', read)).toMatchObject({
        code: 'SD_UNAVAILABLE',
        retryable: true,
        message: expect.stringContaining('limits.http_max_conns_per_client'),
      }),
    { timeout: 20_000 },
  )
  for (const socket of held) socket.destroy()
})

test.runIf(consul)('a plain request to a TLS port has a hint', { timeout: 60_000 }, async () => {
  if (!consul) return
  await using server = await startConsul(consul, { tls: await createCertificates() })
  const error = await failureOf(server.port, 'any', ({ client, options }) => client.status.leader(options))
  expect(error.message).toContain('give the server as https://')
})
