import { CONFIG_FORMATS } from '@sd/adapter-kit'
import type { ConfigFormat } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { lineOfPath, parseText, type TextToParse } from './parse.ts'
import { TextError } from './text-error.ts'

function parse(content: string, format: ConfigFormat, options: Partial<TextToParse> = {}): ReturnType<typeof parseText> {
  return parseText({ content, format, key: 'key', isRelaxed: true, keepNewline: false, ...options })
}

type Cases = Readonly<Record<Exclude<ConfigFormat, 'text'>, string | undefined>>

/** Rejected texts by format: each has the error on its second line. `undefined` if the format has no such case. */
const refused: Readonly<Record<string, Cases>> = {
  'a repeated key': {
    json: '{"b":1,\n"b":2}',
    yaml: 'b: 1\nb: 2\n',
    toml: 'b = 1\nb = 2\n',
    properties: 'b=1\nb=2\n',
    env: 'B=1\nB=2\n',
  },
  'a repeated key below': {
    json: '{"a":{"b":1,\n"b":2}}',
    yaml: 'a: { b: 1,\n b: 2 }\n',
    toml: 'a.b = 1\na.b = 2\n',
    properties: 'a.b=1\na.b=2\n',
    env: 'A__B=1\nA__B=2\n',
  },
  'a name in two spellings': {
    json: undefined,
    yaml: undefined,
    toml: undefined,
    properties: 'poolSize=1\npool-size=2\n',
    env: 'POOL_SIZE=1\nPOOLSIZE=2\n',
  },
  'a value and what lies within it': {
    json: undefined,
    yaml: undefined,
    toml: 'a = 1\na.b = 2\n',
    properties: 'a=1\na.b=2\n',
    env: 'A=1\nA__B=2\n',
  },
  'what lies within a value, and the value': {
    json: undefined,
    yaml: undefined,
    toml: 'a.b = 2\na = 1\n',
    properties: 'a.b=2\na=1\n',
    env: 'A__B=2\nA=1\n',
  },
  'a key that reaches a prototype': {
    json: '{\n"__proto__":{"a":1}}',
    yaml: 'a: 1\n__proto__: { a: 1 }\n',
    toml: 'a = 1\n__proto__.a = 1\n',
    properties: 'a=1\n__proto__.b=1\n',
    env: undefined,
  },
  'an integer that a number cannot hold': {
    json: '{\n"a":9007199254740993}',
    yaml: 'b: 1\na: 9007199254740993\n',
    toml: 'b = 1\na = 9007199254740993\n',
    properties: undefined,
    env: undefined,
  },
  'a negative one': {
    json: '{\n"a":-9007199254740993}',
    yaml: 'b: 1\na: -9007199254740993\n',
    toml: 'b = 1\na = -9007199254740993\n',
    properties: undefined,
    env: undefined,
  },
  'one in hexadecimal': {
    json: undefined,
    yaml: 'b: 1\na: 0x20000000000001\n',
    toml: 'b = 1\na = 0x20000000000001\n',
    properties: undefined,
    env: undefined,
  },
  'a number out of range': {
    json: '{\n"a":1e400}',
    yaml: 'b: 1\na: 1e400\n',
    toml: 'b = 1\na = 1e400\n',
    properties: undefined,
    env: undefined,
  },
  'a number that would be zero': {
    json: '{\n"a":1e-400}',
    yaml: 'b: 1\na: 1e-400\n',
    toml: 'b = 1e-3 # 1e-400\na = [1_0, 1e-4_00]\n',
    properties: undefined,
    env: undefined,
  },
  infinity: {
    json: '{\n"a":Infinity}',
    yaml: 'b: 1\na: -.inf\n',
    toml: 'b = 1\na = inf\n',
    properties: undefined,
    env: undefined,
  },
  'not a number': {
    json: '{\n"a":NaN}',
    yaml: 'b: 1\na: .nan\n',
    toml: 'b = 1\na = nan\n',
    properties: undefined,
    env: undefined,
  },
  'a bad escape': {
    json: '{\n"a":"\\u12"}',
    yaml: 'b: 1\na: "\\u12"\n',
    toml: 'b = 1\na = "\\u12"\n',
    properties: 'b=1\na=\\u12\n',
    env: undefined,
  },
  'an escape of another language': {
    json: '{\n"a":"\\d"}',
    yaml: 'b: 1\na: "\\d"\n',
    toml: 'b = 1\na = "\\d"\n',
    properties: 'b=1\na=C:\\data\n',
    env: undefined,
  },
  'a quote without its end': {
    json: '{\n"a":"x}',
    yaml: undefined,
    toml: 'b = 1\na = "x\n',
    properties: undefined,
    env: 'B=1\nA="x\n',
  },
  'text after a value in quotes': {
    json: '{\n"a":"x" y}',
    yaml: 'b: 1\na: "x" y\n',
    toml: 'b = 1\na = "x" y\n',
    properties: undefined,
    env: 'B=1\nA="x" y\n',
  },
  'a value that a comment would cut': {
    json: undefined,
    yaml: undefined,
    toml: undefined,
    properties: undefined,
    env: 'B=1\nA=x#y\n',
  },
  'a line that would be swallowed': {
    json: undefined,
    yaml: 'b: 1\na\n',
    toml: 'b = 1\na\n',
    properties: 'b=1\na=x\\',
    env: 'B=1\nA\n',
  },
  'a merge of what is not an object': {
    json: undefined,
    yaml: 'a:\n  <<: 5\n',
    toml: undefined,
    properties: undefined,
    env: undefined,
  },
  'a merge twice': {
    json: undefined,
    yaml: '<<: { a: 1 }\n<<: { b: 1 }\n',
    toml: undefined,
    properties: undefined,
    env: undefined,
  },
  'half of a surrogate pair in an escape': {
    json: '{\n"a":"\\ud800"}',
    yaml: 'b: 1\na: "\\ud800"\n',
    toml: 'b = 1\na = "\\ud800"\n',
    properties: 'b=1\na=\\ud800\n',
    env: undefined,
  },
  'a line that only a carriage return ends': {
    json: undefined,
    yaml: 'b: 1\na: 1 # x\rc: 2\n',
    toml: 'b = 1\na = 1 # x\rc = 2\n',
    properties: undefined,
    env: 'B=1\n# x\rC=2\n',
  },
  'a time that is finer than milliseconds': {
    json: undefined,
    yaml: 'b: 1\na: !!timestamp 2026-01-02T03:04:05.1234567Z\n',
    toml: 'b = 03:04:05.123000\na = 2026-01-02 03:04:05.1234567\n',
    properties: undefined,
    env: undefined,
  },
  'a list with a gap': { json: undefined, yaml: undefined, toml: undefined, properties: 'b=1\na[1]=x\n', env: undefined },
  'a list that has names': { json: undefined, yaml: undefined, toml: undefined, properties: 'a[0]=1\na.b=x\n', env: undefined },
  'brackets that are not closed': {
    json: undefined,
    yaml: undefined,
    toml: undefined,
    properties: 'b=1\na[0=x\n',
    env: undefined,
  },
  'brackets within a name': { json: undefined, yaml: undefined, toml: undefined, properties: 'b=1\na[0]b=x\n', env: undefined },
  'too many values': {
    json: `{\n"a":[${'0,'.repeat(250_000)}0]}`,
    yaml: undefined,
    toml: `b=1\na=[${'0,'.repeat(250_000)}0]`,
    properties: undefined,
    env: undefined,
  },
}

describe.each(Object.entries(refused))('%s is refused with its line', (_, cases) => {
  test.each(Object.entries(cases).filter(([, content]) => content !== undefined))('%s', (format, content) => {
    const error = thrownBy(() => parse(content as string, format as ConfigFormat))
    expect(error).toBeInstanceOf(TextError)
    expect(error).toMatchObject({ line: 2 })
  })
})

test.each<[ConfigFormat, string, unknown]>([
  ['yaml', 'base: &b { x: 1, y: 2 }\np:\n  <<: *b\n  y: 3\n', { base: { x: 1, y: 2 }, p: { x: 1, y: 3 } }],
  ['yaml', 'base: &b { x: 1, y: 2 }\np:\n  y: 3\n  <<: *b\n', { base: { x: 1, y: 2 }, p: { x: 1, y: 3 } }],
  ['yaml', 'a: &a {x: 1}\nb: &b {x: 2, z: 2}\np: {<<: [*a, *b]}\n', { a: { x: 1 }, b: { x: 2, z: 2 }, p: { x: 1, z: 2 } }],
  [
    'yaml',
    'a: &a {x: {k: 1}}\nb: &b {<<: *a, y: 2}\np: {<<: *b}\n',
    { a: { x: { k: 1 } }, b: { x: { k: 1 }, y: 2 }, p: { x: { k: 1 }, y: 2 } },
  ],
  ['yaml', 'p: {<<: {x: 1}}\n"<<": 5\n', { p: { x: 1 }, '<<': 5 }],
  ['yaml', 'a: &x 1\nb: *x\nc: &x 2\nd: *x\n', { a: 1, b: 1, c: 2, d: 2 }],
  ['yaml', 'a: 1e21\nb: 0x1F\nc: 0.1\nd: 9007199254740991\n', { a: 1e21, b: 31, c: 0.1, d: 9007199254740991 }],
  ['json', '{"a":1e21,"b":-0.0,"c":"9007199254740993"}', { a: 1e21, b: -0, c: '9007199254740993' }],
  [
    'properties',
    'servers[0].host=a\nservers[0].port=1\nservers[1].host=b\nlabels[app.kubernetes.io/name]=x\nm[0][0]=y\nm[0][1]=z\n',
    { servers: [{ host: 'a', port: '1' }, { host: 'b' }], labels: { 'app.kubernetes.io/name': 'x' }, m: [['y', 'z']] },
  ],
  ['properties', 'servers[1]=b\nservers[0]=a\n', { servers: ['a', 'b'] }],
  ['properties', 'a\\:b\\ c : x\\u0041\\ty\\\n   z\nempty\nd   e f  \n', { 'a:b c': 'xA\tyz', empty: '', d: 'e f  ' }],
  ['properties', '! comment\r\n  # another\rk=v\\\\\r\n', { k: 'v\\' }],
  ['properties', 'db.pool-size.min=1\ndb.poolSize.max=2\n', { db: { 'pool-size': { min: '1', max: '2' } } }],
  [
    'env',
    'A=\'x # y\' # z\r\nB="1\\n2\n3"\nC=x # y\nD=\n E = `\'"` \nexport F=a b \nG=#x\n',
    { a: 'x # y', b: '1\n2\n3', c: 'x', d: '', e: '\'"', f: 'a b', g: '' },
  ],
])('%s keeps %j', (format, content, expected) => {
  expect(parse(content, format).tree).toEqual(expected)
})

test('different spellings are different names if nothing is relaxed', () => {
  expect(parse('poolSize=1\npool-size=2\n', 'properties', { isRelaxed: false }).tree).toEqual({ poolSize: '1', 'pool-size': '2' })
})

test('lines of merged values and of lists', () => {
  const yaml = parse('base: &b\n  x: 1\np:\n  <<: *b\n  y: 2\n', 'yaml')
  expect(lineOfPath(yaml, 'yaml', ['p', 'x'])).toBe(4)
  expect(lineOfPath(yaml, 'yaml', ['p', 'y'])).toBe(5)
  const properties = parse('a=1\nb[0].c=2\nb[1].c=3\n', 'properties')
  expect(lineOfPath(properties, 'properties', ['b', '1', 'c'])).toBe(3)
  const toml = parse('[[a]]\nx = 1\n[[a]]\nx = 2\n', 'toml')
  expect(lineOfPath(toml, 'toml', ['a', '1', 'x'])).toBe(4)
})

test('aliases are bounded, and every format has its case', () => {
  const base = `base: &b { ${Array.from({ length: 500 }, (_, index) => `k${index}: 1`).join(', ')} }`
  const merges = Array.from({ length: 600 }, (_, index) => `m${index}: { <<: *b }`).join('\n')
  expect(() => parse(`${base}\n${merges}\n`, 'yaml')).toThrow('has more than 250000 values')
  expect(() => parse('a: &a { <<: *a }\n', 'yaml')).toThrow('has an alias that refers to itself')
  expect(Object.keys(refused['a repeated key'] ?? {}).sort()).toEqual(CONFIG_FORMATS.filter((format) => format !== 'text').sort())
})

function thrownBy(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return undefined
}

test.each(CONFIG_FORMATS)('text that no encoding can hold is rejected in %s', (format) => {
  const error = thrownBy(() => parse('a\ud800', format))
  expect(error).toBeInstanceOf(TextError)
  expect((error as Error).message).toContain('surrogate')
})

test('similar TOML values that are not such numbers are kept', () => {
  const content = `1e-400 = "1e-400"\n[1e-500]\na = """\n1e-400"""\nb = 'x = 1e-400' # 1e-400\n`
  expect(parse(content, 'toml').tree).toEqual({ '1e-400': '1e-400', '1e-500': { a: '1e-400', b: 'x = 1e-400' } })
})
