import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decryptDocument, decryptValue, encryptDocument, encryptValue, needsReencryption, reencrypt } from './index.ts'
import { createSampleKeyring } from './testing/samples.ts'

const before = createSampleKeyring('test-1')
const during = createSampleKeyring('test-2', 'test-1')
const after = createSampleKeyring('test-2')
const user = await encryptValue('scott', { keys: before, path: 'db.user' })
const password = await encryptValue('tiger', { keys: before, path: 'db.password' })
const fresh = await encryptValue('new', { keys: after, path: 'db.token' })

describe('re-encryption', () => {
  test('changes only values encrypted with another key', async () => {
    const text = `# ENC[…] and ENC[key-id:…] are secret\r\ndb:\t{ user: "${user}", again: ${user},\n password: '${password}' , token: ${fresh} }`
    expect(await needsReencryption(text, { keys: during })).toBe(true)
    const renewed = await reencrypt(text, { keys: during })
    const found = renewed.match(/ENC\[test-2:[\w-]+\]/g) ?? []
    const [newUser = '', again, newPassword = '', newToken] = found
    expect(found.length).toBe(4)
    expect(again).toBe(newUser)
    expect(newToken).toBe(fresh)
    expect(renewed).toBe(text.replaceAll(user, newUser).replace(password, newPassword))
    expect(await decryptValue(newUser, { keys: after, path: 'db.user' })).toBe('scott')
    expect(await decryptValue(newPassword, { keys: after, path: 'db.password' })).toBe('tiger')
    await expect(decryptValue(newPassword, { keys: after, path: 'db.user' })).rejects.toMatchObject({ code: 'SD_DENIED' })
    expect(await needsReencryption(renewed, { keys: during })).toBe(false)
    expect(await reencrypt(renewed, { keys: after })).toBe(renewed)
  })

  test('a whole document', async () => {
    const text = `${await encryptDocument('a: 1', { keys: before, key: 'a.yaml' })}\n`
    const renewed = await reencrypt(text, { keys: during })
    expect(await decryptDocument(renewed, { keys: after, key: 'a.yaml' })).toBe('a: 1')
  })

  test('texts without secrets are unchanged, byte for byte', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), async (head, tail) => {
        expect(await reencrypt(`${head}ENC[${tail}`, { keys: during })).toBe(`${head}ENC[${tail}`)
        const renewed = await reencrypt(`${head}${user}${tail}`, { keys: during })
        expect(renewed.startsWith(head) && renewed.endsWith(tail)).toBe(true)
        expect(await needsReencryption(renewed, { keys: during })).toBe(false)
      }),
    )
  })

  test.each([
    // Without its last three characters it has a length that is impossible in base64url.
    ['damaged', `a: ${user}, b: ${password.slice(0, -4)}]`, 'SD_MALFORMED'],
    ['of an unknown key', `a: ${user}, b: ${password.replace('test-1', 'test-3')}`, 'SD_DENIED'],
    ['of another key than it says', `a: ${fresh.replace('test-2', 'test-1')}`, 'SD_DENIED'],
    ['no text', 7 as never, 'SD_INVALID'],
  ])('%s', async (_, text, code) => {
    await expect(reencrypt(text, { keys: during })).rejects.toMatchObject({ code })
  })
})
