import { SdError } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { expired } from './api-errors.ts'
import type { ApiEvent, ApiRequest, ApiWatch } from './api-messages.ts'
import { followCollection, listCollection } from './collection.ts'
import type { KubernetesConnection } from './kubernetes-connection.ts'

interface Script {
  /** Responses to lists and checks, in order; the last one is repeated. */
  readonly lists: readonly object[]
  /** Behaviour of each watch; the last one waits until it is aborted. */
  readonly watches: readonly ((watch: ApiWatch) => void | Promise<void>)[]
}

function fakeClient({ lists, watches }: Script): { connection: KubernetesConnection; requests: string[] } {
  const requests: string[] = []
  let [listed, watched] = [0, 0]
  const connection: KubernetesConnection = {
    namespace: 'default',
    async request({ query = {} }: ApiRequest) {
      requests.push(`list ${query['limit']}${query['continue'] ? ` ${query['continue']}` : ''}`)
      return { body: lists[Math.min(listed++, lists.length - 1)], serverTime: undefined, tookMs: 1 }
    },
    async watch(watch) {
      requests.push(`watch ${watch.query['resourceVersion']}`)
      const run = watches[watched++]
      if (run) return run(watch)
      await new Promise((resolve) => watch.signal.addEventListener('abort', resolve, { once: true }))
    },
    close: () => undefined,
  }
  return { connection, requests }
}

const page = (resourceVersion: string, names: readonly string[] = []): object => ({
  metadata: { resourceVersion },
  items: names.map((name) => ({ metadata: { name } })),
})
const event = (type: string, name: string, resourceVersion: string): ApiEvent => ({
  type,
  object: { metadata: { name, resourceVersion } },
})

/** Follows until no more requests are sent, and returns the observed objects. */
async function follow(script: Script, untilRequests: number): Promise<{ requests: readonly string[]; seen: readonly string[] }> {
  const { connection, requests } = fakeClient(script)
  const controller = new AbortController()
  const seen: string[] = []
  const following = followCollection(connection, {
    path: '/x',
    labelSelector: 'a=b',
    signal: controller.signal,
    operationTimeoutMs: 5_000,
    onList: ({ items }) => void seen.push(`all ${items.map(({ metadata }) => metadata.name).join()}`),
    onChange: ({ metadata }, isThere) => void seen.push(`${isThere ? '+' : '-'}${metadata.name}`),
  })
  const deadline = performance.now() + 10_000
  while (requests.length < untilRequests && performance.now() < deadline) {
    await Promise.race([new Promise((resolve) => setTimeout(resolve, 5)), following])
  }
  controller.abort()
  await following.catch(() => undefined)
  return { requests, seen }
}

describe('following a collection', () => {
  test('a watch that ends continues after its last event or bookmark', async () => {
    const { requests, seen } = await follow(
      {
        lists: [page('10', ['a']), page('13')],
        watches: [
          ({ onEvent }) => [event('ADDED', 'b', '11'), event('DELETED', 'a', '12')].forEach(onEvent),
          ({ onEvent }) => onEvent(event('BOOKMARK', '', '13')),
        ],
      },
      6,
    )
    expect(requests).toEqual(['list 500', 'watch 10', 'list 1', 'watch 12', 'list 1', 'watch 13'])
    expect(seen).toEqual(['all a', '+b', '-a'])
  })

  test.each<[string, (watch: ApiWatch) => void]>([
    [
      'an event',
      () => {
        throw expired('x')
      },
    ],
    ['an answer', ({ onEvent }) => onEvent({ type: 'ERROR', object: { code: 410, message: 'too old' } })],
  ])('an expired version in %s leads to a new list', async (_, watch) => {
    const { requests, seen } = await follow({ lists: [page('10', ['a']), page('20', ['b'])], watches: [watch] }, 4)
    expect(requests).toEqual(['list 500', 'watch 10', 'list 500', 'watch 20'])
    expect(seen).toEqual(['all a', 'all b'])
  })

  test.each(['9', 'none'])('a server that is at %s after 10 has lost its data', async (version) => {
    const script = { lists: [page('10', ['a']), page(version), page(version, [])], watches: [() => undefined] }
    const { requests, seen } = await follow(script, 5)
    expect(requests).toEqual(['list 500', 'watch 10', 'list 1', 'list 500', `watch ${version}`])
    expect(seen).toEqual(['all a', 'all '])
  })

  test('any other error ends it', async () => {
    const options = {
      path: '/x',
      labelSelector: '',
      operationTimeoutMs: 1_000,
      onList: () => undefined,
      onChange: () => undefined,
    }
    for (const [object, code] of [
      [{ code: 403, message: 'no' }, 'SD_DENIED'],
      [null, 'SD_UNAVAILABLE'],
    ] as const) {
      const { connection } = fakeClient({ lists: [page('10')], watches: [({ onEvent }) => onEvent({ type: 'ERROR', object })] })
      const following = followCollection(connection, { ...options, signal: new AbortController().signal })
      await expect(following).rejects.toMatchObject({ code })
    }
  })

  test('a list that fails contains the reason', async () => {
    const { connection } = fakeClient({ lists: [], watches: [] })
    const failing = { ...connection, request: () => Promise.reject(new SdError('SD_DENIED', 'no')) }
    const signal = AbortSignal.timeout(5_000)
    await expect(listCollection(failing, { path: '/x', labelSelector: '' }, signal)).rejects.toMatchObject({ code: 'SD_DENIED' })
  })
})

test('a list contains all pages', async () => {
  const first = { metadata: { resourceVersion: '5', continue: 'next' }, items: [{ metadata: { name: 'a' } }] }
  const { connection, requests } = fakeClient({ lists: [first, page('5', ['b']), { metadata: {}, items: null }], watches: [] })
  const signal = AbortSignal.timeout(5_000)
  const { items, version } = await listCollection(connection, { path: '/x', labelSelector: '' }, signal)
  expect([items.map(({ metadata }) => metadata.name), version, requests]).toEqual([
    ['a', 'b'],
    '5',
    ['list 500', 'list 500 next'],
  ])
  expect(await listCollection(connection, { path: '/x', labelSelector: '' }, signal)).toMatchObject({ items: [], version: '' })
})
