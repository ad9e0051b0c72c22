import { readFileSync } from 'node:fs'
import { checkInteger, checkKnownKeys, invalidError } from '@sd/core'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { isGatewayDocumentError } from './error.ts'
import { migrate } from './migrate.ts'
import type { DocumentParts, DocumentUses, LoadParts } from './parts.ts'
import { createGatewayDocumentReader } from './reader.ts'
import type { PlainObject } from './rules/rule.ts'
import { documentWith, fixtureNames, parseFixture, parts } from './testing/documents.ts'
import { createJsonSchema } from './testing/json-schema.ts'

const schemaText = readFileSync(new URL('../schema.json', import.meta.url), 'utf8')
const accepts = new Ajv({ strict: false }).compile(JSON.parse(schemaText))

const load: LoadParts = async () => ({})

function problemsOf(document: unknown, used: DocumentParts = {}): readonly string[] {
  const reader = createGatewayDocumentReader({ parts, ...used })
  try {
    reader.read(document)
    return []
  } catch (error) {
    if (!isGatewayDocumentError(error)) throw error
    return error.problems.map(({ path, message }) => `${path}: ${message}`)
  }
}

describe('documents of released versions', () => {
  test.each(fixtureNames)('%s loads, and the schema for editors accepts it', (name) => {
    const document = parseFixture(name)
    const { table, settings } = createGatewayDocumentReader({ parts, load }).read(document)
    expect(table.routes.length).toBeGreaterThan(0)
    expect(settings).toHaveProperty('discovery')
    accepts(document)
    expect(accepts.errors).toBeNull()
  })

  test('every field has its effect', async () => {
    await using reader = disposable(createGatewayDocumentReader({ parts, load }))
    const document = reader.read(parseFixture('1/everything.yaml'))
    expect(document).toMatchObject({
      name: 'edge-1',
      registry: 'consul://127.0.0.1:8500',
      observe: { address: '127.0.0.1:9464', accessLog: 'json' },
      drain: { propagationDelayMs: 5_000, timeoutMs: 15_000 },
      register: { service: 'edge', listener: 'public' },
      workers: 4,
    })
    const [listener] = document.table.listeners
    expect(listener?.tls?.certificates[0]).toEqual({
      cert: { file: '/etc/sd/api.crt' },
      key: { file: '/etc/sd/api.key' },
      serverNames: ['api.example.com', '*.example.com'],
    })
    const { client, discovery } = document.settings
    expect(client).toMatchObject({ timeoutMs: 5_000, services: { orders: { timeoutMs: 3_000 } } })
    expect(discovery).toMatchObject({ panicThreshold: 0.5, services: { orders: { subset: { size: 10 } } } })
  })

  test('unchanged settings yield the same policies', async () => {
    await using reader = disposable(createGatewayDocumentReader({ parts, load }))
    const first = reader.read(parseFixture('1/everything.yaml'))
    const second = reader.read({ ...parseFixture('1/everything.yaml'), workers: 2 })
    expect(second.settings.client.services?.['orders']?.balancer).toBe(first.settings.client.services?.['orders']?.balancer)
  })
})

/** A filter and a protocol with one option each. */
const gatewayParts: DocumentParts = {
  filters: {
    audit(options) {
      checkKnownKeys('', options, ['level'])
      if (options['level'] !== undefined) checkInteger('level', options['level'], { min: 0, max: 9 })
      return {}
    },
  },
  protocols: [
    {
      kind: 'call',
      name: 'chat',
      checkOptions: (options, path) => void checkInteger(`${path}.room`, (options as PlainObject)['room'], { min: 0, max: 9 }),
      recognises: () => false,
      begin: () => ({}),
    },
  ],
}

const edge = { name: 'edge', address: '127.0.0.1:8080' }
const all = { name: 'all', forward: { service: 'orders' } }

/** Documents that the code refuses by their shape, so the schema for editors must, too. */
const misshapen: readonly [what: string, document: unknown, problem: string][] = [
  ['a text', 'listeners', ': got "listeners", want an object'],
  ['no version', { listeners: [edge], routes: [all] }, ': has no version, want version: 1'],
  ['a newer version', documentWith({ version: 2 }), 'version: is 2, which is newer than 1, the newest that this release reads'],
  ['a version that is not a number', documentWith({ version: '1' }), 'version: got "1", want an integer from 1 to 1'],
  ['no listener', documentWith({ listeners: [] }), 'listeners: got an array, want a list of at least one item'],
  ['no routes', { version: 1, listeners: [edge] }, ': has no routes'],
  [
    'a misspelled field',
    documentWith({ routes: [{ ...all, timeout: {} }] }),
    'routes[0].timeout: is an unknown field, did you mean timeouts? Want one of name, listeners, match',
  ],
  ['an unknown field', documentWith({ modules: {} }), 'modules: is an unknown field, want one of version, name'],
  [
    'two actions',
    documentWith({ routes: [{ ...all, redirect: { path: '/' } }] }),
    'routes[0]: has forward and redirect, want exactly one of forward, redirect, respond',
  ],
  ['no action', documentWith({ routes: [{ name: 'all' }] }), 'routes[0]: has none, want exactly one of forward'],
  [
    'a path without a slash',
    documentWith({ routes: [{ ...all, match: { path: 'orders' } }] }),
    'routes[0].match.path: got "orders"',
  ],
  [
    'a method in lower case',
    documentWith({ routes: [{ ...all, match: { methods: ['get'] } }] }),
    'routes[0].match.methods[0]: got "get"',
  ],
  [
    'two conditions in one',
    documentWith({ routes: [{ ...all, match: { headers: { 'x-a': { prefix: 'a', present: true } } } }] }),
    'routes[0].match.headers.x-a: has present and prefix, want exactly one of present, oneOf, prefix',
  ],
  [
    'an address without a port',
    documentWith({ listeners: [{ ...edge, address: 'localhost' }] }),
    'listeners[0].address: got "localhost"',
  ],
  [
    'a duration as text',
    documentWith({ routes: [{ ...all, timeouts: { headMs: '3s' } }] }),
    'routes[0].timeouts.headMs: got "3s"',
  ],
  [
    'an unknown setting',
    documentWith({ services: { orders: { timeout: 1 } } }),
    'services.orders.timeout: is an unknown field, did you mean timeoutMs?',
  ],
  [
    'a negative weight',
    documentWith({ routes: [{ ...all, forward: [{ service: 'orders', weight: -1 }] }] }),
    'routes[0].forward[0].weight: got -1',
  ],
  ['no workers', documentWith({ workers: 0 }), 'workers: got 0, want an integer from 1 to 256'],
  ['an empty value', documentWith({ observe: null }), 'observe: got null, want an object'],
]

describe('documents that are refused', () => {
  test.each(misshapen)('%s', (_, document, problem) => {
    expect(problemsOf(document).join('\n')).toContain(problem)
    expect(accepts(document)).toBe(false)
  })

  test('all problems are reported, with their paths', () => {
    const document = documentWith({ listeners: [{ name: '', address: ':1' }], routes: [{ name: 5, forward: {} }] })
    expect(problemsOf(document).map((problem) => problem.split(':', 1)[0])).toEqual([
      'listeners[0].name',
      'listeners[0].address',
      'routes[0].name',
      'routes[0].forward',
    ])
  })

  test.each<[string, PlainObject, string]>([
    [
      'an unknown listener',
      { routes: [{ ...all, listeners: ['egde'] }] },
      'routes[0].listeners[0]: got "egde", want the name of a listener',
    ],
    ['two routes of one name', { routes: [all, all] }, 'routes[1].name: got "all", want a name that no other entry has'],
    [
      'an unknown filter',
      { routes: [{ ...all, filters: [{ filter: 'gzip' }] }] },
      'routes[0].filters[0].filter: got "gzip", want one of audit',
    ],
    [
      'a wrong option of a filter',
      { routes: [{ ...all, filters: [{ filter: 'audit' }, { filter: 'audit', level: 'high' }] }] },
      'routes[0].filters[1].level: got "high", want an integer',
    ],
    [
      'an unknown protocol',
      { routes: [{ ...all, match: { protocol: 'gprc' } }] },
      'routes[0].match.protocol: got "gprc", want one of',
    ],
    [
      'a wrong option of a protocol',
      { routes: [{ ...all, match: { protocol: 'chat' }, options: { room: 'high' } }] },
      'routes[0].options.room: got "high", want an integer',
    ],
    [
      'options without a protocol',
      { routes: [{ ...all, options: { room: 1 } }] },
      'routes[0].options: got "options", want them only with a match.protocol that has some',
    ],
    ['plugins where nothing loads them', { plugins: ['./audit.js'] }, 'plugins: is only for programs that load them'],
    ['a registration for an unknown listener', { register: { service: 'edge', listener: 'x' } }, 'register.listener: got "x"'],
    [
      'an unknown rate limiter',
      { routes: [{ ...all, limits: { rate: { limiter: 'x' } } }] },
      'routes[0].limits.rate.limiter: got "x"',
    ],
    ['affinity without keys', { routes: [{ ...all, affinity: { cookie: 'edge' } }] }, 'routes[0].affinity: got'],
    ['two routes of the same precedence', { routes: [all, { ...all, name: 'other' }] }, 'have the same precedence'],
    [
      'an unknown balancer',
      { services: { orders: { balancer: 'best' } } },
      'services.orders.balancer: got "best", want one of round-robin',
    ],
    ['a value of a policy', { defaults: { retry: { maxAttempts: 0 } } }, 'defaults.retry.maxAttempts: got 0'],
    ['a policy that is not installed', { defaults: { hedge: true } }, 'defaults.hedge: got "a policy"'],
  ])('%s', (_, fields, problem) => {
    expect(problemsOf(documentWith(fields), gatewayParts).join('\n')).toContain(problem)
  })

  test('no message shows a secret', () => {
    const secret = 'hunter2-and-more'
    const certificates = [{ cert: secret, key: secret }]
    const document = documentWith({ registry: `//user:${secret}@consul`, listeners: [{ ...edge, tls: { certificates } }] })
    const problems = problemsOf(document)
    expect(problems).toHaveLength(3)
    expect(problems.join()).not.toContain('hunter2')
  })
})

test('what is allowed and probably not meant is a warning', async () => {
  await using reader = disposable(createGatewayDocumentReader({ parts }))
  const services = { order: {}, carts: { rateLimit: { limit: 5, windowMs: 1_000 } } }
  const routes = [{ ...all, mirror: { service: 'carts' } }]
  const rateLimiters = { all: { limit: 5, windowMs: 1_000 } }
  expect(reader.warnings(documentWith({ services, routes, rateLimiters, workers: 2 }))).toEqual([
    { path: 'rateLimiters.all', message: 'counts in each worker by itself: divide it by the number of workers' },
    { path: 'services.carts.rateLimit', message: 'counts in each worker by itself: divide it by the number of workers' },
    { path: 'routes[0].forward.service', message: 'is orders, which is not in services: it gets the defaults' },
    { path: 'services.order', message: 'is used by no route' },
  ])
})

describe('loading', () => {
  const document = documentWith({
    listeners: [{ ...edge, protocols: ['h2', 'chat'] }],
    routes: [
      { ...all, match: { protocol: 'chat' }, options: { room: 1 }, filters: [{ filter: 'audit', level: 1 }] },
      { ...all, name: 'other', match: { path: '/other' }, filters: [{ filter: 'audit' }] },
    ],
    plugins: ['./audit.js'],
  })

  async function validate(value: unknown, loadParts: LoadParts): Promise<readonly string[]> {
    await using reader = disposable(createGatewayDocumentReader({ parts, load: loadParts }))
    const { issues = [] } = await reader.schema['~standard'].validate(value)
    return issues.map(({ path = [], message }) => `${path.join('.')}: ${message}`)
  }

  test('what a document uses is loaded before it is checked', async () => {
    const uses: DocumentUses[] = []
    const problems = await validate(document, async (used) => {
      uses.push(used)
      return { filters: gatewayParts.filters ?? {} }
    })
    expect(uses).toEqual([{ filters: ['audit'], protocols: ['h2', 'chat'], rateLimiters: [], plugins: ['./audit.js'] }])
    expect(problems.filter((problem) => !problem.startsWith('listeners'))).toEqual([])
    expect(await validate(document, async () => ({ filters: {} }))).toContainEqual(
      expect.stringContaining('routes.0.filters.0.filter: got "audit"'),
    )
  })

  test('what can not be loaded is a problem with its place', async () => {
    const problems = await validate(document, () => Promise.reject(invalidError('plugins[0]', './audit.js', 'a module')))
    expect(problems).toEqual(['plugins.0: got "./audit.js", want a module'])
  })

  test.each([
    ['load', { load: 5 }],
    ['load', { load, filters: {} }],
    ['filters.audit', { filters: { audit: true } }],
    ['protocols', { protocols: 'chat' }],
  ])('a wrong %s is refused', (field, options) => {
    expect(() => createGatewayDocumentReader(options as never)).toThrow(expect.objectContaining({ field }))
  })
})

test('an older version is migrated, with a warning for each changed field', () => {
  const warnings: string[] = []
  const migrations = {
    1: ({ upstreams, ...rest }: PlainObject, warn: (keys: readonly string[], message: string) => void) => {
      warn(['upstreams'], 'is now called services')
      return { ...rest, services: upstreams }
    },
    2: (document: PlainObject) => ({ ...document, workers: 1 }),
  }
  const migrated = migrate(
    { version: 1, upstreams: { orders: {} } },
    (keys, message) => warnings.push(`${keys.join('.')} ${message}`),
    {
      current: 3,
      migrations,
    },
  )
  expect(migrated).toEqual({ document: { version: 3, services: { orders: {} }, workers: 1 } })
  expect(warnings).toEqual(['upstreams is now called services'])
})

test('schema.json is up to date: node src/testing/write-schema.ts', () => {
  expect(JSON.parse(schemaText)).toEqual(JSON.parse(JSON.stringify(createJsonSchema())))
})

function disposable<T extends { close(): Promise<void> }>(made: T): T & AsyncDisposable {
  return Object.assign(made, { [Symbol.asyncDispose]: () => made.close() })
}
