// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders are written so.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PlaceholderError, resolvePlaceholders } from './placeholders.ts'
import { memory, open } from './testing/open-config.ts'

const environment = { HOST: 'h', EMPTY: '' }

function resolve(tree: Record<string, unknown>): unknown {
  return resolvePlaceholders(tree, { environment, isVerbatim: () => false, isSecret: () => false }).tree
}

test.each<[string, unknown]>([
  ['no placeholder', 'no placeholder'],
  ['${db.host}', 'localhost'],
  ['http://${db.host}:${db.port}/', 'http://localhost:5432/'],
  ['${db.port}', 5432],
  ['${db.tls}', false],
  ['${nothing}', null],
  ['x${nothing}', 'xnull'],
  ['${HOST}', 'h'],
  ['${EMPTY:x}', ''],
  ['${NONE:default}', 'default'],
  ['${NONE:}', ''],
  ['${NONE:a:b}', 'a:b'],
  ['${env:dev}', 'dev'],
  ['${NONE:${db.host}}', 'localhost'],
  ['${NONE:<${OTHER:${HOST}}>}', '<h>'],
  ['${ db.host }', 'localhost'],
  ['${indirect}', 'at localhost'],
  ['${list.1}', 'b'],
  ['$${db.host}', '${db.host}'],
  ['a $${ b ${HOST}', 'a ${ b h'],
  ['$$${HOST}', '$${HOST}'],
  ['$ {HOST} $HOST }', '$ {HOST} $HOST }'],
])('%s is %j', (text, expected) => {
  const tree = { db: { host: 'localhost', port: 5432, tls: false }, nothing: null, indirect: 'at ${db.host}', list: ['a', 'b'] }
  expect(resolve({ ...tree, value: text, values: [text] })).toMatchObject({ value: expected, values: [expected] })
})

test.each<[string, Record<string, unknown>, string]>([
  ['nothing there', { a: '${b.c}' }, 'refers to b.c, which has no value'],
  ['an object', { a: 'x${b}', b: { c: 1 } }, 'refers to b, which is not a single value'],
  ['an open brace', { a: 'x ${b' }, 'has a placeholder without its closing brace'],
  ['no name', { a: '${}' }, 'has a placeholder without a name'],
  ['a name made of others', { a: '${${b}}', b: 'c' }, 'has a placeholder without a name'],
  ['itself', { a: '${a}' }, 'refers to itself: a → a'],
  ['a cycle', { a: '${b}', b: 'x ${c:1}', c: '${NONE:${b}}' }, 'refers to itself: b → c → b'],
  ['the syntax of another tool', { a: '${env:DB_HOST}' }, 'refers to env:…, the syntax of another tool'],
  ['a store of secrets', { a: '${vault:db#password}' }, 'refers to vault:…, the syntax of another tool'],
  ['an inherited property', { a: '${toString}' }, 'refers to toString, which has no value'],
  ['too deep defaults', { a: `${'${x:'.repeat(1_000)}${'}'.repeat(1_000)}` }, 'has placeholders nested more than 50 deep'],
])('%s is rejected', (_, tree, message) => {
  expect(() => resolve(tree)).toThrow(message)
})

test('long chains and growing texts are bounded', () => {
  const chain = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`a${n}`, `\${a${n + 1}:0}`]))
  expect(() => resolve(chain)).toThrow('has a chain of more than 50 references')
  const bomb: Record<string, string> = { a0: 'x'.repeat(100) }
  for (let n = 1; n < 45; n++) bomb[`a${n}`] = `\${a${n - 1}}\${a${n - 1}}`
  expect(() => resolve(bomb)).toThrow('has placeholders that expand to more than 4194304 characters')
})

describe('a tree of texts', () => {
  const names = ['a', 'b', 'c', 'd', 'e']
  const part = fc.oneof(
    fc.constantFrom(...names, 'X').map((name) => ({ name })),
    fc.string({ unit: fc.constantFrom('x', '{', '}', ':', ' '), maxLength: 3 }).map((text) => ({ text })),
  )
  const anyTree = fc.tuple(...names.map(() => fc.array(part, { maxLength: 3 })))
  type Part = { readonly name: string } | { readonly text: string }

  /** The reference model: texts refer only to earlier ones and are replaced from first to last. */
  function model(parts: readonly (readonly Part[])[]): readonly string[] {
    const values: string[] = []
    for (const list of parts) {
      values.push(list.map((item) => ('text' in item ? item.text : (values[names.indexOf(item.name)] ?? 'none'))).join(''))
    }
    return values
  }
  function write(parts: readonly (readonly Part[])[]): Record<string, string> {
    return Object.fromEntries(
      parts.map((list, index) => [
        names[index],
        list.map((item) => ('text' in item ? item.text : `\${${item.name}:none}`)).join(''),
      ]),
    )
  }

  test('matches the reference model', () => {
    const backwards = anyTree.map((parts) =>
      parts.map((list, index) =>
        list.map((item) => ('name' in item && names.indexOf(item.name) >= index ? { name: 'X' } : item)),
      ),
    )
    fc.assert(
      fc.property(backwards, (parts) => {
        expect(Object.values(resolve(write(parts)) as object)).toEqual(model(parts))
      }),
      { seed: 4, numRuns: 1_000 },
    )
  })

  test('ends with a value or a PlaceholderError for arbitrary references', () => {
    const anyText = fc.array(fc.constantFrom('${', '}', ':', 'a', 'b', 'c', '$', '.', ' '), { maxLength: 12 })
    fc.assert(
      fc.property(anyText, anyText, anyText, (a, b, c) => {
        try {
          resolve({ a: a.join(''), b: b.join(''), c: c.join('') })
        } catch (error) {
          expect(error).toBeInstanceOf(PlaceholderError)
        }
      }),
      { seed: 5, numRuns: 2_000 },
    )
  })
})

test('in a configuration: across all sources, with types, and not in decrypted values', async () => {
  const center = memory('center', { 'app.yaml': 'url: "${db.host}:${PORT:80}"\nport: "${PORT:80}"\npassword: ENC[1]\n' })
  const decrypt = (): string => 'a${db.host}'
  const config = await open({ sources: [memory('file', { 'db/host': 'h' }), center], environment: { PORT: '8080' }, decrypt })
  expect(config.current).toEqual({ db: { host: 'h' }, url: 'h:8080', port: 8080, password: 'a${db.host}' })
})
