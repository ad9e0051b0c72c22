import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import type { Config, Path, PathValue } from './index.ts'
import { memory, open } from './testing/open-config.ts'

interface Settings {
  db: { url: string; port: number; tls: boolean; hosts: string[] }
}

const schemas: Record<string, StandardSchemaV1<unknown, Settings>> = {
  zod: z.object({ db: z.object({ url: z.string(), port: z.number(), tls: z.boolean(), hosts: z.array(z.string()) }) }) as never,
  valibot: v.object({ db: v.object({ url: v.string(), port: v.number(), tls: v.boolean(), hosts: v.array(v.string()) }) }),
  arktype: type({ db: { url: 'string', port: 'number', tls: 'boolean', hosts: 'string[]' } }) as never,
  'zod, asynchronous': z
    .object({ db: z.object({ url: z.string(), port: z.number(), tls: z.boolean(), hosts: z.array(z.string()) }) })
    .refine(async ({ db }) => db.port > 0) as never,
}

describe.each(Object.entries(schemas))('%s', (_, schema) => {
  test('returns typed values, also for untyped texts', async () => {
    const sources = [memory('file', { 'app.properties': 'db.url=42\ndb.port=5432\ndb.tls=TRUE\ndb.hosts=a, b\n' })]
    const config = await open({ schema, sources })
    expect(config.current).toEqual({ db: { url: '42', port: 5432, tls: true, hosts: ['a', 'b'] } })
    expectTypeOf(config.get('db.port')).toEqualTypeOf<number>()
  })

  test('names source, key, line and field of a rejected value', async () => {
    const content = 'db:\n  url: x\n  port: far\n  tls: true\n  hosts: []\n'
    const failing = open({ schema, sources: [memory('file', { 'app.yaml': content })] })
    await expect(failing).rejects.toMatchObject({
      code: 'SD_INVALID',
      field: 'db.port',
      message: expect.stringContaining('file app.yaml:3: db.port '),
      failures: [{ source: 'file', key: 'app.yaml', line: 3, field: 'db.port' }],
    })
  })

  test('names the parent of a missing value', async () => {
    const failing = open({ schema, sources: [memory('file', { 'app.yaml': 'x: 1\ndb:\n  url: x\n' })] })
    await expect(failing).rejects.toMatchObject({
      failures: expect.arrayContaining([expect.objectContaining({ key: 'app.yaml', line: 2 })]),
    })
    await expect(open({ schema, sources: [] })).rejects.toMatchObject({ failures: [{ source: 'schema' }] })
  })

  test('reveals no secret', async () => {
    const secret = 'hunter2-hunter2'
    const content = `db: { url: x, tls: true, hosts: [], password: ${secret}, port: "\${db.password}" }`
    const error: unknown = await open({ schema, sources: [memory('file', { 'app.yaml': content })] }).catch(
      (caught: unknown) => caught,
    )
    expect(error).toMatchObject({ field: 'db.port' })
    expect(JSON.stringify(error) + String(error)).not.toContain(secret)
  })
})

test('values that the schema transforms or adds are present, with the origin schema', async () => {
  const schema = z.object({ at: z.string().transform((text) => new Date(text)), size: z.coerce.number().default(3) })
  const source = memory('file', { 'app.json': '{"at":"2026-01-02","x":1}' })
  const config = await open({ schema, sources: [source] })
  const at = config.get('at')
  expect([at.getFullYear(), config.get('size'), config.explain('size').source]).toEqual([2026, 3, 'schema'])
  await source.put('app.json', '{"at":"2026-01-02","x":2}')
  await config.reload()
  expect([config.get('at') === at, config.version]).toEqual([true, 1])
})

test('an exception of the schema rejects the update, and its quotes are masked', async () => {
  const secret = 'hunter2-hunter2'
  const schema: StandardSchemaV1 = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => {
        throw new Error(`bug at ${JSON.stringify(value)}`)
      },
    },
  }
  const failing = open({ schema, sources: [memory('file', { 'app.yaml': `password: ${secret}` })] })
  const error: unknown = await failing.catch((caught: unknown) => caught)
  expect(error).toMatchObject({ code: 'SD_INVALID', message: expect.stringContaining('threw bug at') })
  expect(`${String(error)} ${JSON.stringify(error)} ${String((error as Error).cause)}`).not.toContain(secret)
})

test('a schema that never settles is limited', async () => {
  const schema: StandardSchemaV1 = { '~standard': { version: 1, vendor: 'test', validate: () => new Promise(() => undefined) } }
  await expect(open({ schema, sources: [], updateTimeoutMs: 20 })).rejects.toMatchObject({ code: 'SD_TIMEOUT' })
})

test('without a schema texts are converted only if nothing is lost', async () => {
  const texts = {
    a: '5',
    b: '007',
    c: '1.10',
    d: 'true',
    e: 'TRUE',
    f: '',
    g: '1e3',
    h: ' 1',
    i: '-0.5',
    j: 'null',
    k: 'NaN',
    l: 'Infinity',
  }
  const config = await open({ sources: [memory('tree', texts), memory('file', { 'app.yaml': 'y: "5"' })] })
  expect(config.current).toEqual({ ...texts, a: 5, d: true, i: -0.5, y: '5' })
})

test('with a schema texts are converted only where it rejects them', async () => {
  const schema = z.object({
    text: z.string(),
    number: z.number(),
    json: z.object({ a: z.number() }),
    either: z.union([z.number(), z.boolean()]),
    nested: z.discriminatedUnion('kind', [z.object({ kind: z.literal('a'), size: z.number() })]),
  })
  const texts = { text: '5', number: ' 0x10 ', json: '{"a":1}', either: 'true', 'nested/kind': 'a', 'nested/size': '1e3' }
  const config = await open({ schema, sources: [memory('tree', texts)] })
  expect(config.current).toEqual({ text: '5', number: 16, json: { a: 1 }, either: true, nested: { kind: 'a', size: 1000 } })
  for (const json of ['{', 'x', '']) {
    await expect(open({ schema, sources: [memory('tree', { ...texts, json })] })).rejects.toMatchObject({ field: 'json' })
  }
})

describe('a text is read in the same way for any number and type of items', () => {
  const number = z.number()
  test.each<[string, z.ZodType, unknown]>([
    ['', z.array(z.string()), []],
    ['a', z.array(z.string()), ['a']],
    ['5', z.array(z.string()), ['5']],
    ['007', z.array(z.string()), ['007']],
    ['true', z.array(z.string()), ['true']],
    ['a,5', z.array(z.string()), ['a', '5']],
    ['', z.array(number), []],
    ['5', z.array(number), [5]],
    [' 5 , 6 ', z.array(number), [5, 6]],
    ['true', z.array(z.boolean()), [true]],
    ['true,false', z.array(z.boolean()), [true, false]],
    ['5,x', z.array(z.union([number, z.string()])), ['5', 'x']],
    ['5', z.union([number, z.array(number)]), 5],
    ['5,6', z.union([number, z.array(number)]), [5, 6]],
    ['[5]', z.array(number), [5]],
    ['{"a":1}', z.array(z.object({ a: number })), [{ a: 1 }]],
    ['{"a":1},{"a":2}', z.array(z.object({ a: number })), [{ a: 1 }, { a: 2 }]],
    ['9007199254740993', z.bigint(), 9007199254740993n],
    ['5', z.bigint(), 5n],
    ['9007199254740993', z.array(z.string()), ['9007199254740993']],
    ['x', z.union([z.array(z.string()), z.number()]), ['x']],
  ])('%j', async (text, item, expected) => {
    const config = await open({ schema: z.object({ item }), sources: [memory('tree', { item: text })] })
    expect(config.current).toEqual({ item: expected })
    const inFile = await open({ schema: z.object({ item }), sources: [memory('file', { 'app.properties': `item=${text}` })] })
    expect(inFile.current).toEqual({ item: expected })
  })

  test.each<[string, z.ZodType, string, RegExp]>([
    ['9007199254740993', number, 'item', /an integer that a number cannot hold exactly/],
    ['-9007199254740993', z.int(), 'item', /an integer that a number cannot hold exactly/],
    ['1e400', number, 'item', /expected number, received string/],
    ['many', number, 'item', /expected number, received string/],
    ['5', number.min(10), 'item', />=10/],
    ['5,x', z.array(number), 'item.1', /expected number, received string/],
    ['{"a":9007199254740993}', z.object({ a: number }), 'item', /an integer that a number cannot hold exactly/],
    ['{"a":1,"a":2}', z.object({ a: number }), 'item', /has a key twice/],
  ])('%j is refused', async (text, item, field, message) => {
    const failing = open({ schema: z.object({ item }), sources: [memory('tree', { item: text })] })
    await expect(failing).rejects.toMatchObject({ field, message: expect.stringMatching(message) })
  })

  test('also with a schema that reports one issue at a time', async () => {
    const texts = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`k${index}`, String(index)]))
    const schema: StandardSchemaV1 = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate(value) {
          const wrong = Object.entries(value as object).find(([, item]) => typeof item !== 'number')
          return wrong ? { issues: [{ path: [wrong[0]], message: 'is not a number' }] } : { value }
        },
      },
    }
    const config = await open({ schema, sources: [memory('tree', texts)] })
    expect(config.current).toMatchObject({ k0: 0, k199: 199 })
  })
})

test('paths are typed', () => {
  interface Tree {
    a: number
    b: { c: string; d?: { e: boolean }; list: { x: number }[] }
    map: Record<string, { size: number }>
    any: unknown
    either: { kind: 'a'; x: number } | { kind: 'b'; y: string }
    recursive: Recursive
  }
  interface Recursive {
    next?: Recursive
  }
  expectTypeOf<'a' | 'b' | 'b.c' | 'b.d' | 'b.d.e' | 'b.list' | 'map' | 'map.orders.size' | 'any.thing' | 'either.y'>().toExtend<
    Path<Tree>
  >()
  expectTypeOf<'x' | 'b.x' | 'b.list.0' | 'a.toFixed'>().not.toExtend<Path<Tree>>()
  expectTypeOf<PathValue<Tree, 'b.c'>>().toEqualTypeOf<string>()
  expectTypeOf<PathValue<Tree, 'b.d.e'>>().toEqualTypeOf<boolean | undefined>()
  expectTypeOf<PathValue<Tree, 'map.orders.size'>>().toEqualTypeOf<number>()
  expectTypeOf<PathValue<Tree, 'any.thing'>>().toEqualTypeOf<unknown>()
  expectTypeOf<PathValue<Tree, 'either.y'>>().toEqualTypeOf<string | undefined>()
  expectTypeOf<Config<Tree>['get']>().parameter(0).toEqualTypeOf<Path<Tree>>()
  expectTypeOf<Path<unknown>>().toEqualTypeOf<string>()
})
