import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { createAlerts, createEmailChannel, createLogChannel, createWebhookChannel } from '@sd/alerts'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createConfig, createMemoryConfigSource, type MemoryConfigSource } from '@sd/config'
import { createConsulConfigSource } from '@sd/config-consul'
import { createDecrypter, createKeyring, encryptValue } from '@sd/config-crypto'
import { createConfigHistory, createMemoryStore } from '@sd/config-history'
import { createNacosConfigSource } from '@sd/config-nacos'
import { createDiscovery } from '@sd/discovery'
import { createLogContext, createLogger, createServiceLogging, type OwnedLogger } from '@sd/logging-pino'
import { createMetrics } from '@sd/metrics-prometheus'
import { createConsulRegistry } from '@sd/registry-consul'
import { createStaticRegistry } from '@sd/registry-static'
import { afterEach, expect, test } from 'vitest'

/** A text that no output may contain. */
const canary = 'c4nary-Zq7x'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** All outputs. */
const outputs: string[] = []

/** Records an output as text, with all causes of an error and its stack. */
function note(output: unknown): void {
  outputs.push(typeof output === 'string' ? output : inspect(output, { depth: 20, maxStringLength: null, maxArrayLength: null }))
}

async function noteFailure(run: Promise<unknown>): Promise<void> {
  note(
    await run.then(
      () => undefined,
      (error: unknown) => error,
    ),
  )
}

async function noteConfiguration(): Promise<{ readonly source: MemoryConfigSource; readonly plain: string }> {
  // Configuration: by name, by content, encrypted, referred to, quoted by a schema, in an unreadable text.
  const keys = createKeyring({ keys: { k1: Buffer.alloc(32, 7) }, primary: 'k1' })
  const plain = [
    `db: { password: ${canary}, url: "postgres://u:${canary}@h/x", again: "\${db.password}" }`,
    `jdbc: "jdbc:mysql://h/x?user=u&password=${canary}"`,
    `azure: "AccountName=a;AccountKey=${canary}==;X=1"`,
    `sql: "Server=h;Password=${canary} and more;X=1"`,
    `note: "send Bearer ${canary} along"`,
    `hosts: [{ dsn: ${canary} }]`,
    `tls: { key: "-----BEGIN PRIVATE KEY-----\\n${canary}\\n-----END PRIVATE KEY-----" }`,
  ].join('\n')
  const encrypted = `enc: ${await encryptValue(canary, { keys, path: 'enc', key: 'enc.yaml' })}\n`
  const source = createMemoryConfigSource({ entries: { 'app.yaml': plain, 'enc.yaml': encrypted } })
  cleanups.push(() => source.close())
  const secretSource = { source, snapshot: false }
  const config = await createConfig({ sources: [secretSource], decrypt: createDecrypter({ keys }), onReport: note })
  cleanups.push(() => config.close())
  expect(JSON.stringify(config.current)).toContain(canary)
  for (const path of ['db', 'jdbc', 'azure', 'sql', 'note', 'hosts', 'tls', 'enc']) note(config.explain(path))
  note(config.status())
  for (const bad of [
    `db: { password: [${canary}`,
    `a: "\${${'none'}} ${canary}"`,
    `enc: ENC[k1:${canary}]`,
    `password: ${canary}\npassword: ${canary}`,
  ])
    await noteFailure(config.check({ 'app.yaml': bad }))
  return { source, plain }
}

async function noteBackends(): Promise<void> {
  // Credentials of unreachable backends.
  const backends = [
    createConsulRegistry({ servers: ['127.0.0.1:1'], token: canary, operationTimeoutMs: 300 }),
    createConsulConfigSource({ servers: ['127.0.0.1:1'], token: canary, operationTimeoutMs: 300 }),
    createNacosConfigSource({
      servers: ['127.0.0.1:1'],
      credentials: { username: 'u', password: canary },
      dataIds: ['a.yaml'],
      operationTimeoutMs: 300,
    }),
  ]
  for (const backend of backends) {
    cleanups.push(() => backend.close())
    await noteFailure('load' in backend ? backend.load() : backend.listServices())
    note(backend.state)
  }
}

async function noteAlerts(logger: OwnedLogger['logger']): Promise<void> {
  // Alerts: URLs, credentials and labels.
  const broken = [
    createWebhookChannel({
      name: 'hook',
      url: `http://127.0.0.1:1/hooks/${canary}`,
      headers: { authorization: `Bearer ${canary}` },
    }),
    createEmailChannel({
      name: 'mail',
      from: 'a@example.com',
      to: 'b@example.com',
      transport: { host: '127.0.0.1', port: 1, auth: { user: 'u', pass: canary } },
    }),
  ]
  const alerts = createAlerts({
    source: () => [{ name: 'errors', labels: { url: `redis://:${canary}@h`, text: `password=${canary}` }, value: 9 }],
    rules: [{ name: 'errors', metric: 'errors', condition: '>', threshold: 1, groupBy: ['url', 'text'], severity: 'critical' }],
    channels: [createLogChannel({ logger }), ...broken.map((channel) => ({ ...channel, maxAttempts: 1 }))],
    closeTimeoutMs: 200,
    onError: note,
  })
  cleanups.push(() => alerts.close())
  await alerts.evaluate()
  for (const channel of broken)
    await noteFailure(
      channel.send(
        { alerts: alerts.state().alerts.map((alert) => ({ ...alert, labels: {} })) },
        { signal: AbortSignal.timeout(2_000) },
      ),
    )
}

test('a secret planted everywhere appears in no output', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sd-canary-'))
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
  const context = createLogContext()
  const { logger, flush, close } = createLogger({
    service: 'canary',
    level: 'trace',
    context,
    writers: [{ kind: 'stream', stream: { write: (line: string) => note(line) } }],
  })
  cleanups.push(close)
  const logging = createServiceLogging({ logger, context })
  const metrics = createMetrics()
  cleanups.push(
    () => logging.close(),
    () => metrics.close(),
  )

  const { source, plain } = await noteConfiguration()

  // Histories and their diffs.
  const history = createConfigHistory({ source, key: 'app.yaml', store: createMemoryStore(), author: 'ann' })
  await history.put(plain.replace('and more', 'and less'))
  await history.put(plain.replaceAll(canary, `${canary}2`))
  note(await history.diff(1, 2))
  note(await history.diffText(1, 2))

  await noteBackends()

  // Calls: headers, paths, bodies, bad header values, errors of interceptors.
  const instances = [{ service: 'orders', address: '127.0.0.1', port: 1 }]
  const discovery = createDiscovery({ source: createStaticRegistry({ instances }), snapshots: { directory: folder } })
  const client = createServiceClient({
    discovery,
    balancer: createRoundRobinBalancer(),
    interceptors: { call: [logging.interceptor] },
  })
  cleanups.push(
    () => discovery.close(),
    () => client.close(),
  )
  const headers = { authorization: `Bearer ${canary}`, cookie: `session=${canary}` }
  await noteFailure(client.post('orders', `/x?token=${canary}`, { headers, body: canary }))
  await noteFailure(client.get('orders', '/x', { headers: { authorization: `Bearer ${canary}\nx` } }))
  note(String(JSON.stringify(client.explain('orders'))))

  await noteAlerts(logger)

  // Logs of all kinds of values with the secret.
  logger.info({ password: canary, headers, nested: { apiKey: canary, url: `redis://:${canary}@h` } }, `got Bearer ${canary}`)
  logger.error(new Error(`connecting to amqp://u:${canary}@h failed`, { cause: new Error(`Password=${canary};x=1`) }))
  context.run({ token: canary } as never, () => logger.warn('in a context'))

  note(await metrics.register.metrics())
  await discovery.close()
  await flush()
  for (const file of readdirSync(folder)) note(readFileSync(join(folder, file), 'utf8'))
  expect(outputs.length).toBeGreaterThan(30)
  expect(outputs.filter((output) => output.includes(canary))).toEqual([])
}, 60_000)
