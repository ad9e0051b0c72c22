import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { generateServiceClient } from './generate.ts'

const run = promisify(execFile)
const home = new URL('../../', import.meta.url).pathname
const tsc = join(home, 'node_modules', '.bin', 'tsc')
let folder: string
beforeAll(async () => {
  await mkdir(join(home, 'node_modules'), { recursive: true })
  // Here, so that the module finds its imports.
  folder = await mkdtemp(join(home, 'node_modules', 'generated-'))
})
afterAll(() => rm(folder, { recursive: true }))

const paths = { '/a': { get: { responses: {} } } }

function schemasOf(schemas: Record<string, unknown>): ReturnType<typeof generateServiceClient> {
  return generateServiceClient({ openapi: '3.1.0', paths, components: { schemas } }, { service: 'a' })
}

async function load(name: string, code: string): Promise<Record<string, z.ZodType>> {
  const file = join(folder, `${name}.ts`)
  await writeFile(file, code)
  return (await import(file)) as Record<string, z.ZodType>
}

/** The expression of a schema. */
function expressionOf(schema: unknown): string {
  const { code } = schemasOf({ One: schema })
  return /export const One(?:: z\.ZodType)? = ([\s\S]*?)\nexport type/.exec(code)?.[1] ?? ''
}

describe('a document', () => {
  test('becomes a module that compiles, and whose schemas check', async () => {
    const document = JSON.parse(await readFile(new URL('../testing/shop.openapi.json', import.meta.url), 'utf8')) as object
    const { code, warnings } = generateServiceClient(document, { service: 'stock' })
    expect(warnings).toEqual([
      'Stock.parts: uniqueItems is not checked',
      'GET /api/v1/stock: the header x-tenant is not an argument; give it in options.headers',
      'PUT /api/v1/stock/{id}/picture: its body is not JSON; give bytes, a stream or a form',
      'GET /api/v1/reports/{name}.csv: left out, because a segment of its path is only partly a parameter',
    ])
    const { Stock, Change, stock } = await load('stock', code)
    const one = { id: 'a7', pieces: 1, price: null, parts: [{ id: 'b', pieces: 0 }], 'in-hall': { name: 'n', level: 2 } }
    expect(Stock?.parse(one)).toEqual(one)
    expect(Stock?.safeParse({ ...one, parts: [{ id: 'b' }] }).error?.issues[0]?.path).toEqual(['parts', 0, 'pieces'])
    expect(Stock?.safeParse({ ...one, price: 0 }).success).toBe(false)
    expect(Change?.safeParse({ kind: 'delete', id: '1' }).success).toBe(true)
    expect(Change?.safeParse({ kind: 'move', id: '1' }).success).toBe(false)
    const { operations } = stock as unknown as { readonly operations: Record<string, { readonly route: string }> }
    expect(Object.entries(operations).map(([name, { route }]) => `${name}: ${route}`)).toEqual([
      'searchStock: GET /api/v1/stock',
      'createStock: POST /api/v1/stock',
      'getStock: GET /api/v1/stock/{id}',
      'deleteStockId: DELETE /api/v1/stock/{id}',
      'getPicture: GET /api/v1/stock/{id}/picture',
      'putPicture: PUT /api/v1/stock/{id}/picture',
      'getLabel: GET /api/v1/stock/{id}/label',
      'changes: GET /api/v1/changes',
    ])
    const use = `import type { ServiceClient } from '@sd/client'
import { stock, type Stock } from './stock.ts'
export async function use(client: ServiceClient): Promise<number> {
  const found: Stock = await stock(client).getStock('7')
  await stock(client).searchStock({ query: { color: 'red' } })
  // @ts-expect-error the color is not one of the document's
  await stock(client).searchStock({ query: { color: 'green' } })
  // @ts-expect-error pieces are missing
  await stock(client).createStock({ id: '7' })
  for await (const { data } of stock(client).changes()) if (data.kind === 'put') return data.stock.pieces
  return found.parts?.[0]?.pieces ?? 0
}
`
    await writeFile(join(folder, 'use.ts'), use)
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--allowImportingTsExtensions', '--ignoreConfig']
    const types = ['--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--lib', 'es2024,esnext.disposable']
    await run(tsc, [...options, ...types, join(folder, 'use.ts')], { cwd: home }).catch(({ stdout }: { stdout: string }) =>
      expect.unreachable(stdout),
    )
  })

  test('of another kind is refused', () => {
    const cases: readonly [unknown, object][] = [
      [{ swagger: '2.0' }, { code: 'SD_UNSUPPORTED' }],
      [{ openapi: '4.0.0' }, { code: 'SD_INVALID', field: 'document.openapi' }],
      [{}, { code: 'SD_INVALID', field: 'document.openapi' }],
      ['openapi: 3.1.0', { code: 'SD_INVALID', field: 'document' }],
      [{ openapi: '3.1.0', paths: { '/a': { $ref: 'other.json' } } }, { code: 'SD_UNSUPPORTED' }],
      [{ openapi: '3.1.0', paths: { '/a': { $ref: '#/nothing' } } }, { code: 'SD_INVALID' }],
      [{ openapi: '3.1.0', paths: { '/a': { $ref: '#/paths/~1a' } } }, { code: 'SD_INVALID' }],
    ]
    for (const [document, error] of cases) {
      expect(() => generateServiceClient(document, { service: 'a' })).toThrow(expect.objectContaining(error))
    }
    expect(() => generateServiceClient({ openapi: '3.1.0' }, { service: '' })).toThrow(
      expect.objectContaining({ field: 'service' }),
    )
  })

  test('may give two things the same name: the second gets a number', () => {
    const { code } = generateServiceClient(
      {
        openapi: '3.0.3',
        paths: { '/a': { get: { operationId: 'find' }, post: { operationId: 'find' } }, '/b': { get: { operationId: 'then' } } },
        components: { schemas: { 'my-item': {}, my_item: {}, '9': {}, Z: {} } },
      },
      { service: 'my-service' },
    )
    expect(code).toContain('find: operation(')
    expect(code).toContain('find2: operation(')
    expect(code).toContain('then2: operation(')
    expect(code).toContain('export const MyItem2')
    expect(code).toContain('export const _9')
    expect(code).toContain('export const myService = ')
  })

  test('cannot put code into the module', async () => {
    const evil = "'); process.exit(7); ('"
    const { code } = generateServiceClient(
      {
        openapi: '3.1.0',
        paths: { [`/${encodeURIComponent(evil)}`]: { get: { operationId: evil, summary: `*/ ${evil}` } } },
        components: {
          schemas: { [evil]: { enum: [evil, 'a\nb'], description: evil }, B: { type: 'object', properties: { [evil]: {} } } },
        },
      },
      { service: evil },
    )
    const loaded = await load('evil', code)
    expect(Object.keys(loaded)).toHaveLength(3)
  })
})

describe('a schema', () => {
  test.each<[unknown, string]>([
    [true, 'z.unknown()'],
    [{}, 'z.unknown()'],
    [false, 'z.never()'],
    [{ type: 'null' }, 'z.null()'],
    [{ type: 'string', format: 'uuid' }, 'z.uuid()'],
    [{ type: 'string', format: 'password', nullable: true }, 'z.string().nullable()'],
    [{ type: ['string', 'integer', 'null'] }, 'z.union([z.string(), z.int()]).nullable()'],
    [{ type: 'number', minimum: 1, exclusiveMinimum: true, maximum: 9 }, 'z.number().gt(1).lte(9)'],
    [{ type: 'number', exclusiveMaximum: 9 }, 'z.number().lt(9)'],
    [{ const: 'a' }, "z.literal('a')"],
    [{ enum: ["it's", 1, null] }, "z.literal(['it\\'s', 1, null])"],
    [{ items: { type: 'boolean' }, minItems: 1 }, 'z.array(z.boolean()).min(1)'],
    [{ type: 'array', prefixItems: [{ type: 'string' }], items: false }, 'z.tuple([z.string()])'],
    [{ type: 'array', prefixItems: [{ type: 'string' }] }, 'z.tuple([z.string()], z.unknown())'],
    [{ type: 'object' }, 'z.record(z.string(), z.unknown())'],
    [{ type: 'object', additionalProperties: false }, 'z.object({})'],
    [{ properties: { 'a-b': { type: 'string' } }, required: ['a-b'] }, "z.object({\n  'a-b': z.string(),\n})"],
    [
      { properties: { a: {} }, additionalProperties: { type: 'integer' } },
      'z.object({\n  a: z.unknown().optional(),\n}).catchall(z.int())',
    ],
    [{ anyOf: [{ type: 'string' }, { type: 'string' }] }, 'z.string()'],
    [{ oneOf: [{ type: 'string' }, { type: 'number' }] }, 'z.union([z.string(), z.number()])'],
    [{ $ref: '#/components/schemas/Missing' }, 'z.unknown()'],
    [{ type: 'strange' }, 'z.unknown()'],
  ])('%j is %s', (schema, expression) => {
    expect(expressionOf(schema)).toBe(expression)
  })

  test('that refers to itself otherwise than by a property has no type, and checks', async () => {
    const { code, warnings } = schemasOf({
      Tree: { oneOf: [{ type: 'string' }, { type: 'array', items: { $ref: '#/components/schemas/Tree' } }] },
    })
    expect(warnings).toEqual(['Tree: its type is unknown to TypeScript, because it refers to itself'])
    const { Tree } = await load('tree', code)
    expect(Tree?.safeParse(['a', ['b', []]]).success).toBe(true)
    expect(Tree?.safeParse(['a', [7]]).success).toBe(false)
  })

  test('that is part of a circle is checked from both sides', async () => {
    const reference = (name: string): object => ({ $ref: `#/components/schemas/${name}` })
    const { code } = schemasOf({
      Person: { type: 'object', properties: { pets: { type: 'array', items: reference('Pet') } } },
      Pet: { type: 'object', required: ['name'], properties: { name: { type: 'string' }, owner: reference('Person') } },
    })
    const { Person, Pet } = await load('circle', code)
    expect(Person?.safeParse({ pets: [{ name: 'a', owner: { pets: [] } }] }).success).toBe(true)
    expect(Pet?.safeParse({ name: 'a', owner: { pets: [{}] } }).success).toBe(false)
  })
})
