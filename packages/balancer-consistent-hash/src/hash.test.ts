import { expect, test } from 'vitest'
import { hashText, mixBits } from './hash.ts'

test('bits are mixed as by the finaliser of MurmurHash3', () => {
  expect([0, 1, 2, 0xffff_ffff].map(mixBits)).toEqual([0, 0x514e_28b7, 0x30f4_c306, 0x81f1_6f39])
})

test('texts are hashed as by FNV-1a, whose published values are mixed', () => {
  const published = { '': 0x811c_9dc5, a: 0xe40c_292c, foobar: 0xbf9c_f968 }
  for (const [text, hash] of Object.entries(published)) expect(hashText(text)).toBe(mixBits(hash))
})

test('another seed gives another hash, of every text', () => {
  for (const text of ['', 'a', 'user-1']) expect(hashText(text, 1)).not.toBe(hashText(text))
})
