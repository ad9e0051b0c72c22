// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders are written so.
import { describe, expect, test } from 'vitest'
import type { ConfigOptions } from './index.ts'
import { memory, open } from './testing/open-config.ts'

/** `ENC[text]` is `text`. */
const decrypt = (ciphertext: string): string => ciphertext.slice(4, -1)

function read(content: string, options: Omit<ConfigOptions, 'sources'> = {}): ReturnType<typeof open> {
  return open({ sources: [memory('center', { 'app.yaml': content })], decrypt, requireEncrypted: ['db.password'], ...options })
}

describe('a value that must be encrypted', () => {
  test.each([
    ['encrypted', 'db: { password: "ENC[tiger]" }', { password: 'tiger' }],
    ['absent', 'db: { user: scott }', { user: 'scott' }],
    ['encrypted in all its parts', 'db: { password: { a: "ENC[x]", b: ["ENC[y]"] } }', { password: { a: 'x', b: ['y'] } }],
  ])('may be %s', async (_, content, expected) => {
    expect((await read(content)).current).toEqual({ db: expected })
  })

  test.each([
    ['plain text', 'db: { password: tiger }'],
    ['plain text in another spelling', 'db: { PASSWORD: tiger }'],
    ['plain text in one of its parts', 'db: { password: { a: "ENC[x]", b: y } }'],
    ['a placeholder', 'db: { password: "${user}" }\nuser: scott'],
  ])('is refused as %s', async (_, content) => {
    await expect(read(content)).rejects.toMatchObject({ code: 'SD_DENIED', field: expect.stringMatching(/^db\.password/i) })
  })

  test('may be given by the program itself', async () => {
    const config = await read('a: 1', { defaults: { db: { password: 'lion' } } })
    expect(config.get('db.password')).toBe('lion')
    await config.set('db.password', 'tiger')
    expect(config.get('db.password')).toBe('tiger')
  })

  test.each([
    ['directly', 'db: { password: "ENC[tiger]", url: "x:${db.password}" }'],
    ['through another text', 'db: { password: "ENC[tiger]", url: "${copy}" }\ncopy: "x:${db.password}"'],
    ['as a default', 'db: { password: "ENC[tiger]", url: "x:${NONE:${db.password}}" }'],
  ])('can be shown %s only in a text that is secret itself', async (_, content) => {
    await expect(read(content)).rejects.toThrow('shows a value that must be encrypted')
    const config = await read(content, { secrets: ['db.url', 'copy'] })
    expect([config.get('db.url'), config.explain('db.url').value]).toEqual(['x:tiger', '***'])
  })
})

describe('an entry that must be encrypted as a whole', () => {
  const entries = (content: string) => [{ source: memory('center', { 'app.yaml': content }), requireEncrypted: ['app.yaml'] }]

  test('may be encrypted, and is refused as plain text', async () => {
    expect((await open({ sources: entries('ENC[a: 1]'), decrypt })).current).toEqual({ a: 1 })
    await expect(open({ sources: entries('a: 1'), decrypt })).rejects.toMatchObject({
      code: 'SD_DENIED',
      failures: [{ source: 'center', key: 'app.yaml', message: 'must be encrypted as a whole' }],
    })
  })

  test('leaves other entries as they are', async () => {
    const [app] = entries('ENC[a: 1]')
    const sources = [{ source: memory('other', { 'b.yaml': 'b: 2' }), requireEncrypted: ['app.yaml'] }]
    expect((await open({ sources: [...(app ? [app] : []), ...sources], decrypt })).current).toEqual({ a: 1, b: 2 })
  })

  test('is named by its key alone if it can not be decrypted', async () => {
    const failing = open({
      sources: [memory('center', { 'app.yaml': ' ENC[x] ' })],
      decrypt: () => Promise.reject(new Error('no key')),
    })
    await expect(failing).rejects.toMatchObject({
      message: "center app.yaml: can't be decrypted: decrypt: no key",
      failures: [{ field: undefined }],
    })
  })
})
