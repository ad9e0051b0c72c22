import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificates } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  type Alert,
  createEmailChannel,
  createLogChannel,
  createWebhookChannel,
  describeAlert,
  type EmailChannelOptions,
  type SmtpServer,
  type WebhookChannelOptions,
} from './index.ts'
import { createWorld, perService } from './testing/world.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const alert: Alert = {
  id: 'errors[]',
  rule: 'errors',
  state: 'firing',
  severity: 'critical',
  labels: { service: 'a\nBcc: all@example.com' },
  condition: '>',
  threshold: 5,
  value: 9,
  activeAt: 0,
  firingAt: 1_000,
  isSilenced: false,
  metadata: { summary: 'Too many\nerrors', runbook: 'see the book' },
}
const never = { signal: new AbortController().signal }

async function startWebhook(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook/s3cret`
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  return JSON.parse(Buffer.concat(await request.toArray()).toString())
}

describe('a webhook', () => {
  test('that fails, then hangs, then responds, receives the alert in the end', async () => {
    const bodies: unknown[] = []
    const headers: unknown[] = []
    const url = await startWebhook(async (request, response) => {
      bodies.push(await readBody(request))
      headers.push([request.headers['content-type'], request.headers.authorization])
      if (bodies.length === 1) response.writeHead(503).end('busy')
      else if (bodies.length === 3) response.end()
    })
    const channel = createWebhookChannel({ name: 'hook', url, headers: { authorization: 'Bearer s3cret' }, timeoutMs: 200 })
    const { alerts, set, errors } = createWorld({ channels: [channel], rules: [{ ...perService, durationMs: 0 }] })
    cleanups.push(() => alerts.close())
    set({ a: 9 })
    await alerts.evaluate()
    await alerts.evaluate()
    await eventually(() => expect(alerts.state().channels).toMatchObject([{ sent: 1, failed: 0 }]), 20_000)
    expect(bodies).toHaveLength(3)
    expect(bodies[2]).toMatchObject({
      text: '[critical] errors{service="a"} is firing: 9 > 5',
      alerts: [{ rule: 'errors', state: 'firing', labels: { service: 'a' }, value: 9 }],
    })
    expect(headers[2]).toEqual(['application/json', 'Bearer s3cret'])
    expect(errors).toEqual([])
  })

  test.each([
    [404, 'SD_DENIED', false],
    [302, 'SD_DENIED', false],
    [429, 'SD_UNAVAILABLE', true],
    [500, 'SD_UNAVAILABLE', true],
  ])('that answers %s fails with %s', async (status, code, retryable) => {
    const url = await startWebhook((_, response) => response.writeHead(status, { location: '/elsewhere' }).end())
    const failure = await createWebhookChannel({ name: 'hook', url })
      .send({ alerts: [alert] }, never)
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({ code, retryable, message: `Webhook hook returned status ${status}` })
  })

  test('with Retry-After is respected', async () => {
    const url = await startWebhook((_, response) => response.writeHead(429, { 'retry-after': '7' }).end())
    const failure = await createWebhookChannel({ name: 'hook', url })
      .send({ alerts: [alert] }, never)
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({ retryable: true, retryAfterMs: 7_000 })
  })

  test.each([
    ['@everyone', '@\u200beveryone'],
    ['<!channel> <https://evil|click>', '‹!channel› ‹https://evil|click›'],
    ['[click](https://evil) `x`', '[click] (https://evil) ˋxˋ'],
    ['a\nb\u0000c\u202ed\u2028e\u200bf', 'a b c d e f'],
    ['redis://:hunter2@host', 'redis://:***@\u200bhost'],
    ['x'.repeat(300), `${'x'.repeat(200)}…`],
    ['\ud800', '\ufffd'],
  ])('shows the label %j as %j', (service, expected) => {
    expect(describeAlert({ ...alert, labels: { service } })).toContain(`service=${JSON.stringify(expected)}`)
  })

  test('that is unreachable reports the reason without secrets', async () => {
    const url = await startWebhook(() => undefined)
    await cleanups.pop()?.()
    const channel = createWebhookChannel({ name: 'hook', url, headers: { authorization: 'Bearer s3cret' } })
    const failure = (await channel.send({ alerts: [alert] }, never).catch((error: unknown) => error)) as Error
    expect(failure).toMatchObject({ code: 'SD_UNAVAILABLE', message: 'Webhook hook is unreachable (ECONNREFUSED)' })
    expect(JSON.stringify([failure.message, failure.stack, failure.cause])).not.toContain('s3cret')
  })

  test('receives the result of format', async () => {
    let body: unknown
    const url = await startWebhook(async (request, response) => {
      body = await readBody(request)
      response.end()
    })
    const channel = createWebhookChannel({ name: 'hook', url, format: ({ alerts }) => ({ count: alerts.length }) })
    await channel.send({ alerts: [alert] }, never)
    expect(body).toEqual({ count: 1 })
  })

  test.each<[string, Partial<WebhookChannelOptions>]>([
    ['url', { url: 'ftp://s3cret' }],
    ['url', { url: 'http://user:s3cret@host' }],
    ['url', { url: 's3cret' }],
    ['headers', { headers: { authorization: 's3cret\n' + 's3cret' } }],
    ['headers', { headers: ['s3cret'] as never }],
    ['name', { name: '' }],
    ['format', { format: 1 as never }],
  ])('an invalid %s is an error without the value: %j', (field, options) => {
    const create = () => createWebhookChannel({ name: 'hook', url: 'http://host', ...options })
    expect(create).toThrow(`Invalid ${field}:`)
    expect(create).not.toThrow('s3cret')
  })
})

interface Mail {
  readonly from: string
  readonly to: readonly string[]
  readonly user: string | undefined
  readonly secure: boolean
  readonly text: string
}

async function startMailServer(
  options: SMTPServerOptions = {},
): Promise<{ readonly transport: SmtpServer; readonly mails: Mail[] }> {
  const mails: Mail[] = []
  const server = new SMTPServer({
    authOptional: true,
    // It would warn that the private key of its certificate is public.
    logger: false,
    onAuth({ username, password }, _session, done) {
      if (password === 's3cret') done(null, { user: username ?? '' })
      else done(new Error('no such user'))
    },
    async onData(stream, { envelope, user, secure }, done) {
      const text = Buffer.concat(await stream.toArray()).toString()
      const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address
      mails.push({ from, to: envelope.rcptTo.map(({ address }) => address), user: user as string | undefined, secure, text })
      done()
    },
    ...options,
  })
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => new Promise<void>((resolve) => server.close(() => resolve())))
  const { port } = server.server.address() as AddressInfo
  return { mails, transport: { host: '127.0.0.1', port, tls: { rejectUnauthorized: false } } }
}

const addresses = { name: 'mail', from: 'alerts@example.com', to: ['one@example.com', 'two@example.com'] }

describe('e-mail', () => {
  test.each([
    ['STARTTLS', {}],
    ['TLS from the start', { secure: true }],
  ])('is sent over %s, logged in', async (_, { secure = false }: { secure?: boolean }) => {
    const { transport, mails } = await startMailServer({ secure, authOptional: false })
    const auth = { user: 'ann', pass: 's3cret' }
    await createEmailChannel({ ...addresses, transport: { ...transport, secure, auth } }).send({ alerts: [alert, alert] }, never)
    expect(mails).toMatchObject([{ from: addresses.from, to: addresses.to, user: 'ann', secure: true }])
    const text = mails[0]?.text.replace(/=\r\n/g, '').replace(/\r\n /g, ' ')
    expect(text).toContain('Subject: =?UTF-8?Q?2_alerts')
    expect(text).not.toMatch(/^Bcc:/m)
    expect(text).toContain('9 > 5: Too many errors')
    expect(text).toContain('runbook: see the book')
    expect(text).toContain('since 1970-01-01T00:00:01.000Z')
  })

  test('is sent with certificates that are read again', async () => {
    const certificates = await createCertificates()
    const folder = await mkdtemp(join(tmpdir(), 'sd-mail-'))
    cleanups.push(() => rm(folder, { recursive: true }))
    const { transport, mails } = await startMailServer({ secure: true, ...certificates.server })
    let ca = 'not PEM'
    const channel = createEmailChannel({ ...addresses, transport: { ...transport, secure: true, tls: { ca: () => ca } } })
    await expect(channel.send({ alerts: [alert] }, never)).rejects.toMatchObject({ code: 'SD_INVALID', field: 'tls.ca' })
    ca = certificates.ca
    await channel.send({ alerts: [alert] }, never)
    const file = join(folder, 'ca.pem')
    await writeFile(file, ca)
    const filed = createEmailChannel({ ...addresses, transport: { ...transport, secure: true, tls: { ca: { file } } } })
    await filed.send({ alerts: [alert] }, never)
    expect(mails).toHaveLength(2)
  })

  test('is not sent without TLS, unless requireTls is false', async () => {
    const { transport, mails } = await startMailServer({ hideSTARTTLS: true, disabledCommands: ['STARTTLS'] })
    const strict = createEmailChannel({ ...addresses, transport }).send({ alerts: [alert] }, never)
    await expect(strict).rejects.toThrow(/^E-mail mail was not sent/)
    await createEmailChannel({ ...addresses, transport: { ...transport, requireTls: false } }).send({ alerts: [alert] }, never)
    expect(mails).toMatchObject([{ secure: false }])
  })

  test('with a wrong password is denied, without showing the password', async () => {
    const { transport } = await startMailServer({ authOptional: false })
    const channel = createEmailChannel({ ...addresses, transport: { ...transport, auth: { user: 'ann', pass: 'wr0ng' } } })
    const failure = (await channel.send({ alerts: [alert] }, never).catch((error: unknown) => error)) as Error
    expect(failure).toMatchObject({ code: 'SD_DENIED', message: 'E-mail mail was not sent (EAUTH, 535)' })
    expect(JSON.stringify([failure.message, failure.stack, failure.cause])).not.toContain('wr0ng')
  })

  test.each([
    [550, false],
    [451, true],
  ])('that the server refuses with %s is tried again: %s', async (responseCode, retryable) => {
    const refusal = Object.assign(new Error('not you'), { responseCode })
    const { transport } = await startMailServer({ onMailFrom: (_address, _session, done) => done(refusal) })
    const sent = createEmailChannel({ ...addresses, to: 'one@example.com', transport }).send({ alerts: [alert] }, never)
    await expect(sent).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', retryable })
  })

  test('to a silent server ends in time', async () => {
    const { transport } = await startMailServer({ onConnect: () => undefined })
    const sent = createEmailChannel({ ...addresses, transport, timeoutMs: 100 }).send({ alerts: [alert] }, never)
    await expect(sent).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
  })

  test('uses a custom transport', async () => {
    const sendMail = vi.fn(async () => undefined)
    await createEmailChannel({ ...addresses, transport: { sendMail } }).send({ alerts: [alert] }, never)
    expect(sendMail).toHaveBeenCalledWith(expect.objectContaining({ from: addresses.from, to: addresses.to }))
  })

  test('without nodemailer explains what to install', async () => {
    vi.doMock('nodemailer', () => {
      throw new Error('not found')
    })
    const channel = createEmailChannel({ ...addresses, transport: { host: '127.0.0.1' } })
    await expect(channel.send({ alerts: [alert] }, never)).rejects.toMatchObject({ code: 'SD_UNSUPPORTED', retryable: false })
    vi.doUnmock('nodemailer')
  })

  test.each<[string, object]>([
    ['from', { from: 'nobody' }],
    ['to', { to: [] }],
    ['to[0]', { to: 'a@b\nBcc: c@d' }],
    ['transport', { transport: 'smtp://user:s3cret@host' }],
    ['transport.host', { transport: {} }],
    ['transport.port', { transport: { host: 'h', port: 0 } }],
    ['transport.secure', { transport: { host: 'h', secure: 1 } }],
    ['transport.requireTLS', { transport: { host: 'h', requireTLS: true } }],
    ['transport.auth.pass', { transport: { host: 'h', auth: { user: 'u', pass: 5 } } }],
    ['transport.auth.user', { transport: { host: 'h', auth: { pass: 's3cret' } } }],
  ])('%s is refused', (field, options) => {
    const create = () => createEmailChannel({ ...addresses, transport: { host: 'h' }, ...options } as EmailChannelOptions)
    expect(create).toThrow(`Invalid ${field}:`)
  })
})

describe('e-mail accepted for some recipients', () => {
  const addresses = { name: 'mail', from: 'a@example.com', to: ['b@example.com', 'c@example.com'] }

  test('is sent again to the others only', async () => {
    const sendMail = vi.fn(async ({ to }: { readonly to: string[] }) => {
      if (sendMail.mock.calls.length > 1) return { accepted: to }
      return {
        accepted: ['b@example.com'],
        rejected: ['c@example.com'],
        rejectedErrors: [{ responseCode: 450, code: 'EENVELOPE' }],
      }
    })
    const channel = createEmailChannel({ ...addresses, transport: { sendMail } })
    const failure = await channel.send({ alerts: [alert] }, never).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true, retryAfterMs: 60_000 })
    await channel.send({ alerts: [alert] }, never)
    expect(sendMail.mock.calls.map(([{ to }]) => to)).toEqual([['b@example.com', 'c@example.com'], ['c@example.com']])
    await channel.send({ alerts: [alert] }, never)
    expect(sendMail.mock.lastCall?.[0].to).toHaveLength(2)
  })

  test.each([
    [421, true, 60_000],
    [450, true, 60_000],
    [552, false, undefined],
  ])('a server that answers %d: tried again %s', async (responseCode, retryable, retryAfterMs) => {
    const sendMail = async (): Promise<never> =>
      Promise.reject(Object.assign(new Error('s3cret'), { code: 'EMESSAGE', responseCode }))
    const failure = await createEmailChannel({ ...addresses, transport: { sendMail } })
      .send({ alerts: [alert] }, never)
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({ retryable })
    expect((failure as { readonly retryAfterMs?: number }).retryAfterMs).toBe(retryAfterMs)
  })
})

describe('the log', () => {
  test('has a line for each alert, by severity', async () => {
    const logger = { info: vi.fn(), warn: vi.fn(), error: vi.fn() }
    const alerts = [
      alert,
      { ...alert, severity: 'warning' as const },
      { ...alert, severity: 'info' as const },
      { ...alert, state: 'resolved' as const },
    ]
    await createLogChannel({ logger }).send({ alerts }, never)
    expect(logger.error).toHaveBeenCalledExactlyOnceWith(
      { alert },
      expect.stringMatching(/^\[critical\] errors.* is firing: 9 > 5/),
    )
    expect(logger.warn).toHaveBeenCalledOnce()
    expect(logger.info).toHaveBeenCalledTimes(2)
  })

  test('needs a logger', () => {
    expect(() => createLogChannel({ logger: {} as never })).toThrow('Invalid logger.info:')
  })
})
