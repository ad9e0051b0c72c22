// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders are written so.
import { type ConfigOptions, createConfig, createMemoryConfigSource, readConfigText } from '@sd/config'
import { describe, expect, test } from 'vitest'
import { createDecrypter, createKeyring, encryptDocument, encryptValue, upgradeFormat } from './index.ts'
import { createSampleKeyring } from './testing/samples.ts'

const keys = createSampleKeyring()

test('@sd/config reads values in documents and lists, text entries, and whole documents', async () => {
  const secret = (path: string): Promise<string> => encryptValue(`secret of ${path}`, { keys, path })
  const source = createMemoryConfigSource({
    entries: {
      'app.yaml': `db:\n  user: scott\n  password: ${await secret('db.password')}\nhosts:\n  - ${await secret('hosts.0')}\n`,
      'mail/password': await secret('mail.password'),
      'whole.yaml': `${await encryptDocument('whole: 1\n', { keys, key: 'whole.yaml' })}\n`,
    },
  })
  await using config = await createConfig({ sources: [source], decrypt: createDecrypter({ keys }) })
  expect(config.current).toEqual({
    db: { user: 'scott', password: 'secret of db.password' },
    hosts: ['secret of hosts.0'],
    mail: { password: 'secret of mail.password' },
    whole: 1,
  })
})

test('a wrong key or a moved ciphertext keeps the last valid configuration, and names the place', async () => {
  const good = await encryptValue('tiger', { keys, path: 'db.password' })
  const strange = createKeyring({ keys: { 'test-1': new Uint8Array(32) }, primary: 'test-1' })
  const wrong = await encryptValue('lion', { keys: strange, path: 'db.password' })
  const source = createMemoryConfigSource({ entries: { 'app.yaml': `db:\n  password: ${good}\n` } })
  await using config = await createConfig({ sources: [source], decrypt: createDecrypter({ keys }) })
  for (const [field, bad] of [
    ['db.password', wrong],
    ['db.user', good],
  ]) {
    await source.put('app.yaml', `db:\n  ${field?.slice(3)}: ${bad}\n`)
    const failures = [{ key: 'app.yaml', line: 2, field }]
    await expect(config.reload()).rejects.toMatchObject({ code: 'SD_DENIED', failures })
    expect(config.current).toEqual({ db: { password: 'tiger' } })
  }
})

describe('a writer of the source without a key', () => {
  const bind = (key: string, path: string, value: string): Promise<string> => encryptValue(value, { keys, path, key })
  const requireEncrypted = ['db.password']

  async function attack(
    good: Readonly<Record<string, string>>,
    evil: Readonly<Record<string, string>>,
    options: Omit<ConfigOptions, 'sources'> = { requireEncrypted },
    ofSource: object = {},
  ): Promise<{ readonly error: unknown; readonly isUnchanged: boolean }> {
    const source = createMemoryConfigSource({ entries: good })
    const sources = [{ source, ...ofSource }]
    await using config = await createConfig({ sources, decrypt: createDecrypter({ keys }), ...options })
    const before = config.current
    for (const [key, text] of Object.entries(evil)) await source.put(key, text)
    const error = await config.reload().then(
      () => undefined,
      (caught: unknown) => caught,
    )
    return { error, isUnchanged: config.current === before }
  }

  test.each<[string, () => Promise<string>, string]>([
    ['plain text', async () => 'db: { password: attacker }', 'SD_DENIED'],
    ['a number', async () => 'db: { password: 5 }', 'SD_DENIED'],
    ['what lies below', async () => 'db: { password: { a: x } }', 'SD_DENIED'],
    ['a placeholder', async () => 'db: { password: "${other}" }\nother: x', 'SD_DENIED'],
    [
      'a ciphertext of another entry',
      async () => `db: { password: "${await bind('test.yaml', 'db.password', 'x')}" }`,
      'SD_DENIED',
    ],
    ['a ciphertext of another path', async () => `db: { password: "${await bind('app.yaml', 'db.user', 'x')}" }`, 'SD_DENIED'],
    [
      'a ciphertext of format 1',
      async () => `db: { password: "${await encryptValue('x', { keys, path: 'db.password' })}" }`,
      'SD_DENIED',
    ],
    [
      'a text that shows it',
      async () => `db: { password: "${await bind('app.yaml', 'db.password', 'x')}" }\nbanner: "hi \${db.password}"`,
      'SD_INVALID',
    ],
    [
      'a text that shows what shows it',
      async () =>
        `db: { password: "${await bind('app.yaml', 'db.password', 'x')}" }\ntoken: "\${db.password}"\nbanner: "\${token}"`,
      'SD_INVALID',
    ],
  ])('cannot put %s there', async (_, evil, code) => {
    const good = { 'app.yaml': `db: { password: "${await bind('app.yaml', 'db.password', 'tiger')}" }` }
    const { error, isUnchanged } = await attack(good, { 'app.yaml': await evil() })
    expect(error).toMatchObject({ code, failures: [{ key: 'app.yaml' }] })
    expect(isUnchanged).toBe(true)
  })

  test('cannot override a value with plain text in another entry', async () => {
    const good = { 'app.yaml': `db: { password: "${await bind('app.yaml', 'db.password', 'tiger')}" }` }
    for (const evil of [{ 'z.yaml': 'db: { password: x }' }, { 'db/password': 'x' }, { 'z.properties': 'DB.Password=x' }]) {
      const { error, isUnchanged } = await attack(good, evil as Record<string, string>)
      expect(error).toMatchObject({ code: 'SD_DENIED', failures: [{ key: Object.keys(evil)[0], message: 'must be encrypted' }] })
      expect(isUnchanged).toBe(true)
    }
  })

  test('cannot replace a whole document with plain text', async () => {
    const good = { 'app.yaml': await encryptDocument('admin: false', { keys, key: 'app.yaml' }) }
    for (const [options, ofSource] of [
      [{}, { requireEncrypted: ['app.yaml'] }],
      [{ requireEncrypted: ['admin'] }, {}],
    ] as const) {
      const { error, isUnchanged } = await attack(good, { 'app.yaml': 'admin: true' }, options, ofSource)
      expect(error).toMatchObject({ code: 'SD_DENIED', failures: [{ key: 'app.yaml' }] })
      expect(isUnchanged).toBe(true)
    }
  })

  test('a secret text can contain the value, and the program can override it', async () => {
    const content = `db: { password: "${await bind('app.yaml', 'db.password', 'tiger')}", url: "x:\${db.password}" }`
    const sources = [createMemoryConfigSource({ entries: { 'app.yaml': content } })]
    const options = {
      sources,
      decrypt: createDecrypter({ keys }),
      requireEncrypted: [...requireEncrypted, 'own'],
      secrets: ['db.url'],
    }
    await using config = await createConfig({ ...options, defaults: { own: 'x' } })
    expect(config.current).toEqual({ db: { password: 'tiger', url: 'x:tiger' }, own: 'x' })
    expect(config.explain('db.url').value).toBe('***')
    await config.set('own', 'y')
    expect(config.get('own')).toBe('y')
  })

  test('values of format 1 are upgraded, and readable until then if allowed', async () => {
    const old = `# kept\ndb: { password: "${await encryptValue('tiger', { keys, path: 'db.password' })}" }\n`
    const source = createMemoryConfigSource({ entries: { 'app.yaml': old } })
    const options = { sources: [source], requireEncrypted, closeSources: 'never' } as const
    await using lenient = await createConfig({ ...options, decrypt: createDecrypter({ keys, allowFormat1: true }) })
    expect(lenient.get('db.password')).toBe('tiger')
    const strict = createDecrypter({ keys })
    await expect(createConfig({ ...options, decrypt: strict })).rejects.toMatchObject({ code: 'SD_DENIED' })
    const upgraded = await upgradeFormat(old, { keys, key: 'app.yaml', tree: readConfigText(old, { key: 'app.yaml' }) })
    expect(upgraded.startsWith('# kept\ndb: { password: "ENC[test-1:Ag')).toBe(true)
    await source.put('app.yaml', upgraded)
    await using config = await createConfig({ ...options, decrypt: strict })
    expect(config.get('db.password')).toBe('tiger')
    expect(await upgradeFormat(upgraded, { keys, key: 'app.yaml', tree: readConfigText(upgraded, { key: 'app.yaml' }) })).toBe(
      upgraded,
    )
  })
})
