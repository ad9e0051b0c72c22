import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConfig, createMemoryConfigSource, createMemoryConfigStore } from '@sd/config'
import { SdError } from '@sd/core'
import { expect, onTestFinished, test, vi } from 'vitest'
import {
  type FollowedGatewayDocument,
  type FollowGatewayDocumentOptions,
  followGatewayDocument,
  type GatewayDocumentReport,
} from './follow.ts'
import { parts } from './testing/documents.ts'

function yaml(service: string, more: string = ''): string {
  return `version: 1
listeners: [{ name: edge, address: 127.0.0.1:0 }]
routes:
  - name: all
    forward: { service: ${service} }
${more}`
}

async function writeDocument(content: string) {
  const folder = await mkdtemp(join(tmpdir(), 'sd-gateway-document-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'gateway.yaml')
  async function replace(text: string): Promise<void> {
    await writeFile(`${file}.next`, text)
    await rename(`${file}.next`, file)
  }
  await replace(content)
  return { file, replace }
}

/** Follows a document with targets that record what takes effect, in order. */
async function follow(options: FollowGatewayDocumentOptions) {
  const reports: GatewayDocumentReport[] = []
  const effects: string[] = []
  const document = await followGatewayDocument({ parts, onReport: (report) => reports.push(report), ...options })
  onTestFinished(() => document.close())
  const gateway = {
    async configure({ routes }: FollowedGatewayDocument['current']['table']) {
      const [{ forward } = {}] = routes
      const { service = '' } = { ...(forward as { service: string }) }
      if (service === 'unbindable')
        throw new SdError('SD_INVALID', 'Invalid routes[0].forward: got 1, want 2', { field: 'routes[0].forward' })
      effects.push(service)
    },
  }
  document.attach({
    gateway,
    client: { configure: ({ timeoutMs }) => void effects.push(`client ${timeoutMs}`) },
    discovery: { configure: () => void effects.push('discovery') },
  })
  return { document, reports, effects }
}

test('a changed file takes effect: the table, then the settings', async () => {
  const { file, replace } = await writeDocument(yaml('orders'))
  const { document, reports, effects } = await follow({ file })
  expect(document.current.table.routes[0]?.forward).toEqual({ service: 'orders' })
  await replace(yaml('carts', 'defaults: { timeoutMs: 700 }\nservices: { other: {} }'))
  await vi.waitFor(() => expect(reports).toHaveLength(1), 20_000)
  expect(effects).toEqual(['carts', 'client 700', 'discovery'])
  expect(document.current.settings.client.timeoutMs).toBe(700)
  expect(reports[0]).toMatchObject({
    kind: 'applied',
    version: 2,
    warnings: [
      { path: 'routes[0].forward.service', key: 'gateway.yaml', line: 5 },
      { path: 'services.other', line: 7 },
    ],
  })
})

test('a bad file changes nothing and is reported with its lines; the next good one takes effect', async () => {
  const { file, replace } = await writeDocument(yaml('orders'))
  const { document, reports, effects } = await follow({ file })
  await replace(yaml('carts', 'drain: { timeoutMs: soon }\nworker: 2'))
  await vi.waitFor(() => expect(reports).toHaveLength(1), 20_000)
  const [report] = reports
  expect(report).toMatchObject({
    kind: 'refused',
    error: {
      problems: [
        {
          path: 'drain.timeoutMs',
          key: 'gateway.yaml',
          line: 6,
          message: expect.stringContaining('got "soon", want an integer'),
        },
        { path: 'worker', line: 7, message: expect.stringContaining('did you mean workers?') },
      ],
    },
  })
  expect(effects).toEqual([])
  expect(document.current.table.routes[0]?.forward).toEqual({ service: 'orders' })
  await expect(document.reload()).rejects.toThrow('gateway.yaml:6: drain.timeoutMs')

  await replace(yaml('prices'))
  await vi.waitFor(() => expect(effects).toContain('prices'), 20_000)
})

test('a table that the gateway refuses changes no settings, and reload tries it again', async () => {
  const { file, replace } = await writeDocument(yaml('orders'))
  const { document, reports, effects } = await follow({ file })
  await replace(yaml('unbindable', 'defaults: { timeoutMs: 700 }'))
  await vi.waitFor(() => expect(reports).toHaveLength(1), 20_000)
  expect(reports[0]).toMatchObject({ kind: 'refused', error: { problems: [{ path: 'routes[0].forward', line: 5 }] } })
  expect(effects).toEqual([])
  await expect(document.reload()).rejects.toThrow('gateway.yaml:5: routes[0].forward got 1, want 2')
  expect(document.current.settings.client.timeoutMs).toBeUndefined()
})

test('a document that is refused at the start is an error with all problems', async () => {
  const { file } = await writeDocument(yaml('orders', 'drain: { timeout: 1 }'))
  await expect(followGatewayDocument({ file, parts })).rejects.toMatchObject({
    code: 'SD_INVALID',
    problems: [{ path: 'drain.timeout', key: 'gateway.yaml', line: 6 }],
  })
  await expect(followGatewayDocument({ file: `${file}.missing`, parts })).rejects.toThrow('gateway.yaml.missing')
  await expect(followGatewayDocument({ parts })).rejects.toThrow('want one of file, source and config')
})

test('values may come from the environment, and secrets from files', async () => {
  const { file } = await writeDocument(yaml('orders', 'registry: $' + '{REGISTRY}'))
  const { document } = await follow({ file, environment: { REGISTRY: 'consul://user:hunter2@127.0.0.1:8500' } })
  expect(document.current.registry).toBe('consul://user:hunter2@127.0.0.1:8500')
  await expect(followGatewayDocument({ file, parts, environment: { REGISTRY: '//hunter2' } })).rejects.toSatisfy(
    (error: Error) => error.message.includes('gateway.yaml:6: registry got another text') && !error.message.includes('hunter2'),
  )
})

test.each(['source', 'config'] as const)('the document may come from a %s', async (kind) => {
  const store = createMemoryConfigStore()
  const operator = createMemoryConfigSource({ store, name: 'operator' })
  await operator.put('gateway.yaml', yaml('orders'))
  const source = createMemoryConfigSource({ store, name: 'center' })
  const config = kind === 'config' ? await createConfig({ sources: [source], closeSources: 'always' }) : undefined
  const { document, effects, reports } = await follow(config ? { config } : { source })
  await operator.put('gateway.yaml', yaml('carts'))
  await vi.waitFor(() => expect(effects).toContain('carts'), 20_000)
  await operator.put('gateway.yaml', yaml('carts', 'workers: none'))
  await vi.waitFor(() => expect(reports).toHaveLength(2), 20_000)
  expect(reports[1]).toMatchObject({ kind: 'refused', error: { problems: [{ path: 'workers', key: 'gateway.yaml', line: 6 }] } })
  expect(document.current.workers).toBe(1)
  await document.close()
  await config?.close()
  await operator.close()
})
