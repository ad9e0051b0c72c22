import { CONFIG_FORMATS } from '@sd/adapter-kit'
import type { ConfigFormat } from '@sd/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { lineOfPath, parseText as parseAny } from './parse.ts'
import { TextError } from './text-error.ts'

function parseText(
  content: string,
  format: ConfigFormat,
  key: string,
): ReturnType<typeof parseAny> & { lineOf: (keys: readonly string[]) => number | undefined } {
  const text = parseAny({ content, format, key, isRelaxed: true, keepNewline: false })
  return { ...text, lineOf: (keys) => lineOfPath(text, format, keys) }
}
const read = (content: string, format: ConfigFormat, key: string = 'key'): unknown => parseText(content, format, key).tree

describe('formats', () => {
  const tree = { db: { url: 'x', port: 5, hosts: ['a', 'b'] } }
  test.each<[ConfigFormat, string, unknown]>([
    ['json', '{"db":{"url":"x","port":5,"hosts":["a","b"]}}', tree],
    ['yaml', 'db:\n  url: x\n  port: 5\n  hosts: [a, b]\n', tree],
    ['yaml', 'base: &b { url: x }\ndb: *b\n', { base: { url: 'x' }, db: { url: 'x' } }],
    ['yaml', 'a: no\nb: 0o17\nc: ~\nd: 2026-01-02\n', { a: 'no', b: 15, c: null, d: '2026-01-02' }],
    ['yaml', '', {}],
    ['toml', '[db]\nurl = "x"\nport = 5\nhosts = ["a", "b"]\n', tree],
    ['toml', 'at = 2026-01-02T03:04:05Z\n', { at: '2026-01-02T03:04:05.000Z' }],
    ['properties', '# comment\ndb.url=x\ndb.port : 5\nlong = a \\\n  b\n', { db: { url: 'x', port: '5' }, long: 'a b' }],
    ['env', 'export DB__URL="x y"\n# comment\nDB__POOL_SIZE=5\n', { db: { url: 'x y', pool_size: '5' } }],
    ['json', '\uFEFF{"a":1}', { a: 1 }],
  ])('%s: %j', (format, content, expected) => {
    expect(read(content, format)).toEqual(expected)
  })

  test('text is one value, without the newline after a single line', () => {
    expect(read(' 5', 'text', 'db/pool/size')).toEqual({ db: { pool: { size: ' 5' } } })
    expect(['a\n', 'a\r\n', 'a\n\n', '-\na\n', '\na\n', '\n'].map((text) => read(text, 'text'))).toEqual(
      ['a', 'a', 'a\n\n', '-\na\n', '\na\n', ''].map((key) => ({ key })),
    )
    const kept = parseAny({ content: 'a\n', format: 'text', key: 'key', isRelaxed: true, keepNewline: true })
    expect(kept.tree).toEqual({ key: 'a\n' })
    expect(read('x', 'text', 'app.name')).toEqual({ 'app.name': 'x' })
  })

  test.each<[ConfigFormat, string, number]>([
    ['json', '{\n  "db": {\n    "hosts": [1, 2],\n    "p\\u006fol": 5\n  }\n}', 4],
    ['yaml', 'db:\n  # comment\n  url: x\n  pool: 5\n', 4],
    ['toml', '[db]\nurl = "x"\n\npool = 5\n', 4],
    ['toml', 'x = 1\n\n\ndb.pool = 5\n', 4],
    ['properties', 'a=b\n\n\\\ndb.pool=5\n', 3],
    ['env', 'A=1\n\n\nDB__POOL=5\n', 4],
  ])('%s tells lines: %j', (format, content, line) => {
    const { lineOf } = parseText(content, format, 'key')
    expect([lineOf(['db', 'pool']), lineOf(['db', 'none']), lineOf([])]).toEqual([line, undefined, undefined])
  })

  test('lines of lists', () => {
    expect(parseText('{"a":[1,\n{"b":2}]}', 'json', 'k').lineOf(['a', '1', 'b'])).toBe(2)
    expect(parseText('a:\n  - 1\n  - b: 2\n', 'yaml', 'k').lineOf(['a', '1', 'b'])).toBe(3)
    expect(parseText('a:\n  - 1\n  - 2\n', 'yaml', 'k').lineOf(['a', '1'])).toBe(3)
  })
})

describe('a text that cannot be read', () => {
  test.each<[ConfigFormat, string, number | undefined, string]>([
    ['json', '{\n"a": s3cret}', 2, 'is not valid JSON'],
    ['json', '{"a": 1', 1, 'is not valid JSON: unexpected end'],
    ['json', '{"a": 1,}', 1, 'is not valid JSON'],
    ['json', '{"a": 1} s3cret', 1, 'is not valid JSON'],
    ['json', '{"a" 1}', 1, 'is not valid JSON'],
    ['json', '', 1, 'is not valid JSON: unexpected end'],
    ['json', '["s3cret"]', 1, 'is not an object at its top level'],
    ['json', '{"a":{"__proto__":{"x":1}}}', 1, 'has a key __proto__'],
    ['json', `${'['.repeat(100_000)}`, 1, 'is nested more than 64 levels deep'],
    ['yaml', 'a: 1\nb: [s3cret\n', 3, 'is not valid YAML: bad indent'],
    ['yaml', 'a: 1\na: s3cret\n', 2, 'has a key twice'],
    ['yaml', 'a: !!js/function "s3cret"', 1, 'is not valid YAML: tag resolve failed'],
    ['yaml', 'a: 1\n---\na: 2\n', 2, 'is not valid YAML: multiple docs'],
    ['yaml', 's3cret', 1, 'is not an object at its top level'],
    ['yaml', '? [a, b]\n: 1\n', 1, 'is not valid YAML: non string key'],
    ['yaml', '__proto__: { x: 1 }', 1, 'has a key __proto__'],
    ['toml', 'a = 1\nb = s3cret', 2, 'is not valid TOML: invalid value'],
    ['toml', '[x]\n__proto__ = 1', 2, 'has a key __proto__'],
    ['toml', 'a = 99999999999999999999', 1, 'is not valid TOML: integer value cannot be represented losslessly'],
    ['properties', 'a=1\na.b=s3cret', 2, 'has a name that is both a value and the start of other names'],
    ['properties', 'a.b=1\na=s3cret', 2, 'has a name that is both a value and the start of other names'],
    ['properties', '.a=s3cret', 1, 'has a name with an empty part'],
    ['properties', 'x.__proto__.y=s3cret', 1, 'has a key __proto__'],
    ['env', 'A__=s3cret', 1, 'has a name with an empty part'],
  ])('%s: %j', (format, content, line, message) => {
    const error = thrownBy(() => read(content, format))
    expect(error).toMatchObject({ message, line })
    expect(String(error)).not.toContain('s3cret')
  })

  test('text whose key reaches a prototype', () => {
    expect(() => read('1', 'text', 'a/__proto__/b')).toThrow('has a key __proto__')
  })

  test('YAML that grows by its aliases', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for (let n = 1; n < 10; n++)
      lines.push(
        `a${n}: &a${n} [${Array(10)
          .fill(`*a${n - 1}`)
          .join(', ')}]`,
      )
    expect(() => read(lines.join('\n'), 'yaml')).toThrow('has more than 1000 aliases')
    expect(() => read('a: *none', 'yaml')).toThrow(TextError)
    expect(() => read('a: &a [*a]', 'yaml')).toThrow(TextError)
  })
})

describe('any text is a value or a TextError, and no prototype is reached', () => {
  const fragments = fc.constantFrom(
    ...'{ } [ ] : , " \' = # & * ! | > - ? \\ \n \t ~ . a b 1 0x null true __proto__ constructor toString {{ ]] "" """ [[ \u0000 \ud800 \uFEFF << *a &a !!map !!set'.split(
      ' ',
    ),
    '\n  ',
    ': ',
    '- ',
    '${',
  )
  const anyText = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.array(fragments, { maxLength: 60 }).map((parts) => parts.join('')),
    fc.json({ maxDepth: 5 }),
    fc
      .tuple(fc.json({ maxDepth: 3 }), fc.nat(), fc.string({ maxLength: 3 }))
      .map(([json, at, cut]) => `${json.slice(0, at % (json.length + 1))}${cut}`),
  )
  test.each(CONFIG_FORMATS)('%s', (format) => {
    fc.assert(
      fc.property(anyText, (content) => {
        try {
          const { tree, lineOf } = parseText(content, format, 'a/b')
          expect(typeof tree).toBe('object')
          for (const key of Object.keys(tree)) lineOf([key])
        } catch (error) {
          expect(error).toBeInstanceOf(TextError)
        }
        expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(12)
      }),
      { numRuns: 2_000, seed: 6 },
    )
  })

  test('with increasing nesting depth', () => {
    for (const format of CONFIG_FORMATS) {
      for (const open of ['[', '{"a":', '{a: ', '- ', 'a = [', 'a = {a = ', 'a.', 'a__', '{']) {
        for (const depth of [60, 1_000, 20_000]) {
          try {
            parseText(open.repeat(depth), format, 'key')
          } catch (error) {
            expect(error).toBeInstanceOf(TextError)
          }
        }
      }
    }
  })

  test('JSON is read as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })), (value) => {
        const text = JSON.stringify(value)
        fc.pre(!text.includes('__proto__') && !/\d{16}/.test(text))
        expect(read(JSON.stringify(value, undefined, 1), 'json')).toEqual(JSON.parse(JSON.stringify(value)))
      }),
      { seed: 7 },
    )
  })
})

function thrownBy(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return undefined
}
