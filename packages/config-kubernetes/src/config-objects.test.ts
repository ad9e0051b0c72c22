import { describe, expect, test } from 'vitest'
import { type ConfigObject, readEntries, withEntry } from './config-objects.ts'

const base64 = (text: string | Uint8Array): string => Buffer.from(text).toString('base64')
const empty: ConfigObject = { metadata: { name: 'orders', uid: 'u1', resourceVersion: '1', labels: { team: 'a' } } }
const written = { author: 'Zoë', comment: 'because' }

function read(kind: 'ConfigMap' | 'Secret', object: ConfigObject): object {
  return Object.fromEntries(readEntries(kind, object).map(({ key, content }) => [key, content]))
}

describe('the entries of an object', () => {
  test('are sorted by key, have a format by extension, and are decoded', () => {
    const object = { ...empty, data: { 'b.yaml': 'b: 1', LEVEL: 'info' }, binaryData: { 'a.json': base64('\ufeff{}') } }
    expect(readEntries('ConfigMap', object)).toMatchObject([
      { key: 'orders/LEVEL', content: 'info', format: 'text' },
      { key: 'orders/a.json', content: '\ufeff{}', format: 'json' },
      { key: 'orders/b.yaml', content: 'b: 1', format: 'yaml' },
    ])
    expect(readEntries('ConfigMap', object)).toBe(readEntries('ConfigMap', object))
    expect(readEntries('ConfigMap', empty)).toEqual([])
    expect(readEntries('ConfigMap', { ...empty, data: null, binaryData: null })).toEqual([])
  })

  test('of a Secret are secret', () => {
    const [entry] = readEntries('Secret', { ...empty, data: { password: base64('s3cret') } })
    expect(entry).toMatchObject({ key: 'orders/password', content: 's3cret', isSecret: true })
    expect(entry?.revision).not.toContain('s3cret')
  })

  test('are well-formed texts for any bytes', () => {
    const binaryData = { jks: base64(Uint8Array.of(0xff, 0x00, 0xc3, 0x28)) }
    expect(readEntries('ConfigMap', { ...empty, binaryData })[0]?.content.isWellFormed()).toBe(true)
  })

  test('with too long keys are ignored', () => {
    expect(read('ConfigMap', { ...empty, data: { a: '1', ['x'.repeat(249)]: '2' } })).toEqual({ 'orders/a': '1' })
  })

  test('have a revision by content, which differs after the object was created again', () => {
    const revision = (object: ConfigObject): string | undefined => readEntries('ConfigMap', object)[0]?.revision
    const one = { ...empty, data: { a: '1' } }
    expect(revision({ ...one, data: { a: '1', b: '2' } })).toBe(revision(one))
    expect(revision({ ...one, data: { a: '2' } })).not.toBe(revision(one))
    expect(revision({ ...one, metadata: { ...empty.metadata, uid: 'u2' } })).not.toBe(revision(one))
  })
})

describe('an object with another entry', () => {
  test('keeps everything else', () => {
    const before = { ...empty, immutable: false, data: { a: '1' }, binaryData: { b: base64('2') }, type: 'x' }
    const after = withEntry('ConfigMap', before, 'b', { content: '3' })
    expect(after).toEqual({
      ...before,
      metadata: { ...empty.metadata, annotations: {} },
      data: { a: '1', b: '3' },
      binaryData: {},
    })
    expect(read('ConfigMap', withEntry('ConfigMap', after, 'a', undefined))).toEqual({ 'orders/b': '3' })
    expect(withEntry('Secret', empty, 'a', { content: 'ü' }).data).toEqual({ a: base64('ü') })
    expect(Object.keys(withEntry('ConfigMap', empty, '__proto__', { content: 'x' }).data ?? {})).toEqual(['__proto__'])
  })

  test('keeps author and comment until another tool changes it', () => {
    const one = withEntry('ConfigMap', empty, 'a', { content: '1', ...written })
    const two = withEntry('ConfigMap', one, 'b', { content: '2', author: 'Max' })
    expect(readEntries('ConfigMap', two)).toMatchObject([{ key: 'orders/a', ...written }, { author: 'Max' }])
    const edited = { ...two, data: { a: 'edited', b: '2' } }
    expect(readEntries('ConfigMap', edited)[0]).not.toHaveProperty('author')
    expect(readEntries('ConfigMap', edited)[1]).toMatchObject({ author: 'Max' })
    const annotations = withEntry('ConfigMap', { ...two, data: { b: '2' } }, 'c', { content: '3' }).metadata.annotations
    expect(Object.keys(JSON.parse(annotations?.['sd/entries'] ?? ''))).toEqual(['b'])
    expect(withEntry('ConfigMap', withEntry('ConfigMap', two, 'a', undefined), 'b', undefined).metadata.annotations).toEqual({})
  })

  test.each(['{', '[]', '{"a":7}', '{"a":null}', '{"a":{"author":{}}}'])('ignores the malformed annotation %s', (text) => {
    const object = { metadata: { ...empty.metadata, annotations: { 'sd/entries': text } }, data: { a: '1' } }
    expect(readEntries('ConfigMap', object)[0]).not.toHaveProperty('author')
    expect(readEntries('ConfigMap', withEntry('ConfigMap', object, 'a', { content: '2', ...written }))[0]).toMatchObject(written)
  })
})
