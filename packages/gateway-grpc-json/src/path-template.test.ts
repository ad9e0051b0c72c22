import { describe, expect, test } from 'vitest'
import { compareTemplates, matchTemplate, readTemplate, templateKey } from './path-template.ts'

// The examples of https://github.com/googleapis/googleapis/blob/master/google/api/http.proto, and the limits of its grammar.
test.each<[template: string, path: string, values: Record<string, string> | undefined]>([
  ['/v1/messages/{id}', '/v1/messages/123456', { id: '123456' }],
  ['/v1/messages/{id}', '/v1/messages/', undefined],
  ['/v1/messages/{id}', '/v1/messages/a/b', undefined],
  ['/v1/messages/{id}', '/v1/messages/a%2Fb', { id: 'a/b' }],
  ['/v1/messages/{id}', '/v1/messages/%C3%A4', { id: 'ä' }],
  ['/v1/messages/{id}', '/v1/messages/%ff', undefined],
  ['/v1/{name=messages/*}', '/v1/messages/123456', { name: 'messages/123456' }],
  ['/v1/{name=messages/*}', '/v1/messages/a%2Fb', { name: 'messages/a%2Fb' }],
  ['/v1/{name=messages/*}', '/v1/other/1', undefined],
  ['/v1/{name=shelves/*/books/*}', '/v1/shelves/1/books/2', { name: 'shelves/1/books/2' }],
  ['/v1/{name=**}', '/v1/a/b/c', { name: 'a/b/c' }],
  ['/v1/{name=**}:get', '/v1/a/b:get', { name: 'a/b' }],
  ['/v1/users/{user_id}/messages/{message.id}', '/v1/users/me/messages/1', { user_id: 'me', 'message.id': '1' }],
  ['/v1/*/things', '/v1/any/things', {}],
  ['/v1/**', '/v1', {}],
  ['/v1/orders/{id}:cancel', '/v1/orders/7:cancel', { id: '7' }],
  ['/v1/orders/{id}:cancel', '/v1/orders/7', undefined],
  ['/v1/orders/{id}', '/v1/orders/7:cancel', { id: '7:cancel' }],
  ['/v1/orders', '/v1/%6Frders', {}],
  ['/v1/orders', '/v1/orders/', undefined],
])('%s and %s', (template, path, values) => {
  const match = matchTemplate(readTemplate('path', template), path)
  expect(match && Object.fromEntries(match)).toEqual(values)
})

test.each(['v1/a', '/v1//a', '/v1/{}', '/v1/{a b}', '/v1/{a}/{a}', '/v1/**/a', '/v1/{a=**}/b', '/v1/a b', '/v1/{a', '/v1/a}'])(
  'the template %j is refused',
  (template) => {
    expect(() => readTemplate('descriptors', template)).toThrow(
      expect.objectContaining({ code: 'SD_INVALID', field: 'descriptors' }),
    )
  },
)

describe('order', () => {
  test('a text is before *, * before **, and a verb before none', () => {
    const templates = ['/v1/**', '/v1/*', '/v1/*:verb', '/v1/a', '/v1/a/*', '/v1/*/b']
    const sorted = templates.map((text) => ({ text, template: readTemplate('path', text) }))
    sorted.sort((one, other) => compareTemplates(one.template, other.template))
    expect(sorted.map(({ text }) => text)).toEqual(['/v1/a/*', '/v1/a', '/v1/*/b', '/v1/*:verb', '/v1/*', '/v1/**'])
  })

  test('templates with other names of variables match the same paths', () => {
    const keyOf = (text: string): string => templateKey(readTemplate('path', text))
    expect(keyOf('/v1/{a}')).toBe(keyOf('/v1/{b=*}'))
    expect(keyOf('/v1/{a}')).not.toBe(keyOf('/v1/{a}:b'))
  })
})
