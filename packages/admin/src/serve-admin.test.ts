import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { createCertificates } from '@sd/test-servers'
import express from 'express'
import { fastify } from 'fastify'
import { describe, expect, test } from 'vitest'
import { createAdmin, type ProcessInfo, serveAdmin } from './index.ts'
import { ask, change } from './testing/ask.ts'
import { startWorld } from './testing/world.ts'

const token = 'a-token-of-more-than-sixteen-characters'
const headers = { authorization: `Bearer ${token}` }

describe('a port of its own', () => {
  test('answers on all interfaces with credentials, at the address of the connection', async () => {
    await using server = await serveAdmin({ port: 0, host: '0.0.0.0', authenticate: { token } })
    const url = `http://127.0.0.1:${server.port}/sd/v1`
    expect((await ask(url)).status).toBe(401)
    expect((await ask(url, { headers })).status).toBe(200)
    expect((await ask(`http://127.0.0.1:${server.port}/other`, { headers })).status).toBe(404)
  })

  test('that is in use, or a wrong option, is an error', async () => {
    await using server = await serveAdmin({ port: 0 })
    await expect(serveAdmin({ port: server.port })).rejects.toThrow(expect.objectContaining({ code: 'SD_UNAVAILABLE' }))
    await expect(serveAdmin({ port: -1 })).rejects.toThrow(expect.objectContaining({ field: 'port' }))
    await expect(serveAdmin({ ports: 1 } as never)).rejects.toThrow(/did you mean port/)
    await expect(serveAdmin({ hosts: 5 } as never)).rejects.toThrow(expect.objectContaining({ field: 'hosts' }))
  })

  test('is registered only for an address at which it is reached', async () => {
    await using local = await serveAdmin({ port: 0, host: 'localhost' })
    await using open = await serveAdmin({ port: 0, host: '0.0.0.0', authenticate: { token } })
    expect(['127.0.0.1', '10.0.0.1'].map((address) => local.portAt(address))).toEqual([local.port, undefined])
    expect(['127.0.0.1', '10.0.0.1'].map((address) => open.portAt(address))).toEqual([open.port, open.port])
  })

  test('closes twice, and answers no more', async () => {
    const server = await serveAdmin({ port: 0 })
    await Promise.all([server.close(), server.close()])
    await expect(ask(`${server.origin}/sd/v1`)).rejects.toThrow(/ECONNREFUSED/)
  })
})

describe('HTTPS', () => {
  test('a new certificate is used for the next connection', async () => {
    const [first, second] = await Promise.all([createCertificates(), createCertificates()])
    let current = first
    const tls = { cert: () => current.server.cert, key: () => current.server.key }
    await using server = await serveAdmin({ port: 0, tls })
    expect(server.origin).toMatch(/^https:/)
    const ask1 = (ca: string) => ask(`${server.origin}/sd/v1`, { ca })
    expect((await ask1(first.ca)).json<ProcessInfo>().pid).toBe(process.pid)
    current = second
    // Certificates are read at most once a second.
    await expect
      .poll(() =>
        ask1(second.ca).then(
          ({ status }) => status,
          (error: Error) => error.message,
        ),
      )
      .toBe(200)
    await expect(ask1(first.ca)).rejects.toThrow()
  })

  test('clients without a certificate are refused if there are authorities for them', async () => {
    const { ca, server: own } = await createCertificates()
    await using server = await serveAdmin({ port: 0, tls: { ...own, ca } })
    await expect(ask(`${server.origin}/sd/v1`, { ca })).rejects.toThrow()
  })

  test.each([{}, { cert: 'x' }, { serverName: 'x' }])('options that can not be used are an error: %o', async (tls) => {
    await expect(serveAdmin({ port: 0, tls: tls as never })).rejects.toThrow(expect.objectContaining({ code: 'SD_INVALID' }))
  })
})

describe('in the server of an application', () => {
  test('Express, below a path and behind a parser of bodies', async () => {
    await using world = await startWorld()
    using admin = createAdmin({ authenticate: { token }, controls: { client: world.client }, onAudit: () => {} })
    const app = express()
    app.use(express.json())
    app.use('/internal', (request, response, next) => {
      if (!admin.handler(request, response)) next()
    })
    app.use((_, response) => void response.status(418).end())
    const server = app.listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const origin = `http://127.0.0.1:${(server.address() as { readonly port: number }).port}`
    expect((await ask(`${origin}/internal/sd/v1/states`, { headers })).status).toBe(200)
    const opened = await change(`${origin}/internal/sd/v1/breakers/stock`, { state: 'open', reason: 'x' }, headers)
    expect([opened.status, world.client.breaker('stock')?.state]).toEqual([200, 'open'])
    expect((await ask(`${origin}/internal/sd/v1x`, { headers })).status).toBe(418)
    await new Promise((resolve) => server.close(resolve))
  })

  test('Fastify, in a hook', async () => {
    await using world = await startWorld()
    using admin = createAdmin({ authenticate: { token }, controls: { client: world.client }, onAudit: () => {} })
    const app = fastify()
    app.addHook('onRequest', async (request, reply) => {
      if (admin.handler(request.raw, reply.raw)) reply.hijack()
    })
    app.get('/', () => 'hello')
    const origin = await app.listen({ host: '127.0.0.1', port: 0 })
    expect((await ask(`${origin}/sd/v1/states`, { headers })).status).toBe(200)
    expect((await change(`${origin}/sd/v1/breakers/stock`, { state: 'open', reason: 'x' }, headers)).status).toBe(200)
    expect((await ask(origin)).text).toBe('hello')
    await app.close()
  })

  test('it does not keep the process alive', async () => {
    const program = `const { createAdmin } = await import('@sd/admin'); createAdmin({ authenticate: 'loopback' })`
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { cwd: import.meta.dirname })
    await expect(run).resolves.toMatchObject({ stderr: '' })
  })

  test('a closed endpoint says so', async () => {
    const admin = createAdmin({ authenticate: { token } })
    const app = fastify()
    app.addHook('onRequest', async (request, reply) => {
      if (admin.handler(request.raw, reply.raw)) reply.hijack()
    })
    const origin = await app.listen({ host: '127.0.0.1', port: 0 })
    admin.close()
    admin.close()
    expect((await ask(`${origin}/sd/v1`, { headers })).status).toBe(503)
    await app.close()
  })
})
