// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders are written so.
import { describe, expect, test } from 'vitest'
import { memory, open } from './testing/open-config.ts'

const decrypt = (text: string): string => text.slice(4, -1)

test('explains the origin of a value and the values it overrides', async () => {
  const file = memory('file', { 'app.yaml': 'db:\n  url: "${db.host}/x"\n  host: file\n', 'db-prod.yaml': 'db: { host: prod }' })
  const config = await open({
    defaults: { db: { host: 'none', pool: { size: 1 } } },
    sources: [file, memory('tree', { 'db/host': 'tree' })],
    profiles: { active: ['prod'] },
  })
  expect(config.explain('db.host')).toEqual({
    path: 'db.host',
    value: 'tree',
    isSecret: false,
    source: 'tree',
    key: 'db/host',
    line: undefined,
    written: 'tree',
    overrode: [
      { source: 'file', key: 'db-prod.yaml', line: 1, written: 'prod' },
      { source: 'file', key: 'app.yaml', line: 3, written: 'file' },
      { source: 'defaults', key: undefined, line: undefined, written: 'none' },
    ],
  })
  expect(config.explain('db.url')).toMatchObject({
    value: 'tree/x',
    written: '${db.host}/x',
    key: 'app.yaml',
    line: 2,
    overrode: [],
  })
  expect(config.explain('db.pool').source).toBe('defaults')
  expect(config.explain('db.none')).toMatchObject({ value: undefined, source: 'schema', overrode: [] })
  await config.set('db', { host: 'set' })
  expect(config.explain('db.host')).toMatchObject({ source: 'overrides', value: 'set' })
  expect(config.explain('db')).toMatchObject({ source: 'overrides', written: { host: 'set' }, value: { pool: { size: 1 } } })
})

test('a replaced object does not contribute', async () => {
  const sources = [memory('low', { 'a.json': '{"a":{"b":1}}' }), memory('mid', { a: 'cut' }), memory('high', { 'a/b': '2' })]
  const config = await open({ sources })
  expect(config.current).toEqual({ a: { b: 2 } })
  expect(config.explain('a.b')).toMatchObject({ source: 'high', overrode: [] })
  expect(config.explain('a').overrode.map(({ source }) => source)).toEqual(['mid', 'low'])
})

describe('secrets are masked', () => {
  test.each<[string, string]>([
    ['by name', 'db: { password: s3cret }'],
    ['by a name of several words', 'db: { clientSecret: s3cret, API_KEY: s3cret, auth-token: s3cret }'],
    ['under such a name', 'credentials: { a: [s3cret] }'],
    ['by own patterns', 'own: { a: s3cret }\nother: s3cret\n'],
    ['that were encrypted', 'db: { url: "ENC[s3cret]", list: ["ENC[s3cret]"] }'],
    ['that are referred to', 'db: { password: s3cret, url: "x:${db.password}@y", again: "${db.url}" }'],
    ['that come from a secret variable', 'db: { url: "${DB_PASSWORD}" }'],
    ['in URLs', 'db: { url: "postgres://user:s3cret@host/db" }'],
  ])('%s', async (_, content) => {
    const config = await open({
      sources: [memory('file', { 'app.yaml': content })],
      environment: { DB_PASSWORD: 's3cret' },
      secrets: ['own', /^other$/g],
      decrypt,
    })
    expect(JSON.stringify(config.current)).toContain('s3cret')
    for (const path of Object.keys(config.current as object)) {
      const text = JSON.stringify(config.explain(path))
      expect(text).not.toContain('s3cret')
      expect(text).toContain('***')
    }
  })

  test('by their entry, and by one that was encrypted as a whole', async () => {
    const source = memory('secret', { 'app.yaml': 'ENC[a: s3cret]' })
    const config = await open({ sources: [source], decrypt })
    expect(config.current).toEqual({ a: 's3cret' })
    expect(config.explain('a')).toMatchObject({ value: '***', written: '***', isSecret: true })
  })

  test('also where they are overridden; other values are not masked', async () => {
    const sources = [memory('low', { x: 'ENC[s3cret]' }), memory('high', { x: 'y', monkey: 'z', keyboard: 'q' })]
    const config = await open({ sources, decrypt })
    expect(JSON.stringify(config.explain('x'))).not.toContain('s3cret')
    expect([config.explain('monkey').value, config.explain('keyboard').value]).toEqual(['z', 'q'])
  })
})

test('without decrypt an encrypted value is rejected', async () => {
  await expect(open({ sources: [memory('file', { 'a.yaml': 'x: 1\nb: ENC[k:1]' })] })).rejects.toMatchObject({
    code: 'SD_UNSUPPORTED',
    message: 'file a.yaml:2: b is encrypted, but the option decrypt is not set',
  })
})

test('decrypt receives the path in the entry, and is called again only by reload', async () => {
  const places: unknown[] = []
  const sources = [{ source: memory('file', { 'a.yaml': 'db: { p: "ENC[1]", l: ["ENC[2]"] }', 'b.yaml': 'ENC[c: 1]' }), at: 'x' }]
  const config = await open({
    sources,
    decrypt(text, { signal, ...place }) {
      places.push(place)
      expect(signal.aborted).toBe(false)
      return text.slice(4, -1)
    },
  })
  const expected = [
    { source: 'file', key: 'a.yaml', path: 'db.p', isRequired: false },
    { source: 'file', key: 'a.yaml', path: 'db.l.0', isRequired: false },
    { source: 'file', key: 'b.yaml', path: '', isRequired: false },
  ]
  expect(places).toHaveLength(3)
  expect(places).toEqual(expect.arrayContaining(expected))
  await config.set('y', 1)
  expect(places).toHaveLength(3)
  await config.reload()
  expect(places).toHaveLength(6)
})
