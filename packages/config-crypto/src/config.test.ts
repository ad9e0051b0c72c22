import { createConfig, createMemoryConfigSource } from '@sd/config'
import { expect, test } from 'vitest'
import { createDecrypter, createKeyring, encryptDocument, encryptValue } from './index.ts'
import { createSampleKeyring } from './testing/samples.ts'

const keys = createSampleKeyring()

test('@sd/config reads values in documents and lists, values on their own, and whole documents', async () => {
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

test('a bad key or a moved ciphertext leaves the last good configuration, and says where', async () => {
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
