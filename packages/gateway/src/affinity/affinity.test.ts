import { describe, expect, test, vi } from 'vitest'
import type { RouteSpec } from '../table/table.ts'
import { fetchEcho, startFleet } from '../testing/start-fleet.ts'
import { AffinityKey, createAffinityKeys, openCookie } from './affinity-keys.ts'

const secret = 'a'.repeat(32)
const other = 'b'.repeat(32)
const route: RouteSpec = { name: 'orders', forward: { service: 'orders' }, affinity: { cookie: 'sid' } }

function cookieOf(response: Response): string | undefined {
  return response.headers.getSetCookie()[0]?.split(';')[0]
}

function withCookie(cookie: string | undefined, more = ''): RequestInit {
  return { headers: { cookie: `${cookie ?? ''}${more}` } }
}

describe('a client with a cookie', () => {
  test('stays on its instance, over gateways and tables, and the instance does not see the cookie', async () => {
    const fleet = startFleet()
    for (const id of ['a', 'b', 'c']) await fleet.serve(id)
    const first = await fleet.gateway([route], { affinityKeys: [secret] })
    const second = await fleet.gateway([{ ...route, name: 'again' }], { affinityKeys: [secret] })
    const { response, echo } = await fetchEcho(first.url)
    expect(response.headers.get('set-cookie')).toMatch(/^sid=[\w-]{48}; Path=\/; Max-Age=3600; HttpOnly; SameSite=Lax$/)
    const ids: string[] = []
    for (const { url } of [first, second, first, second]) {
      const seen = await fetchEcho(url, withCookie(cookieOf(response), '; theme=dark; sid=x'))
      ids.push(seen.echo.id)
      expect(seen.echo.headers['cookie']).toBe('theme=dark')
      expect(seen.response.headers.has('set-cookie')).toBe(false)
    }
    expect(new Set(ids)).toEqual(new Set([echo.id]))
    const { echo: bare } = await fetchEcho(first.url, withCookie(cookieOf(response)))
    expect(bare.headers).not.toHaveProperty('cookie')
    expect(fleet.outcomes.map(({ affinity }) => affinity)).toEqual(['new', 'kept', 'kept', 'kept', 'kept', 'kept'])
  })

  test('moves when its instance leaves, and gets another cookie', async () => {
    const fleet = startFleet()
    const instances = new Map([
      ['a', await fleet.serve('a')],
      ['b', await fleet.serve('b')],
    ])
    const { url } = await fleet.gateway([route], { affinityKeys: [secret] })
    const { response, echo } = await fetchEcho(url)
    await instances.get(echo.id)?.leave()
    const moved = await vi.waitFor(async () => {
      const seen = await fetchEcho(url, withCookie(cookieOf(response)))
      if (seen.echo.id === echo.id) throw new Error('The instance still gets traffic')
      return seen
    }, 10_000)
    expect(cookieOf(moved.response)).toMatch(/^sid=[\w-]{48}$/)
    expect((await fetchEcho(url, withCookie(cookieOf(moved.response)))).echo.id).toBe(moved.echo.id)
    expect(fleet.outcomes.slice(-2).map(({ affinity }) => affinity)).toEqual(['moved', 'kept'])
  })

  test('stays on its target of a split', async () => {
    const fleet = startFleet()
    await fleet.serve('old', { version: '1.4' })
    await fleet.serve('new', { version: '2.0' })
    const forward = ['1', '2'].map((version) => ({ service: 'orders', weight: 50, instances: { version } }))
    const { url } = await fleet.gateway([{ ...route, forward }], { affinityKeys: [secret] })
    for (let client = 0; client < 2; client++) {
      const { response, echo } = await fetchEcho(url)
      for (let call = 0; call < 3; call++) {
        expect((await fetchEcho(url, withCookie(cookieOf(response)))).echo.id).toBe(echo.id)
      }
    }
    expect(fleet.outcomes.filter(({ affinity }) => affinity === 'kept').length).toBe(6)
  })

  test('is diverted for a request that needs another attempt', async () => {
    const fleet = startFleet()
    let isBroken = false
    for (const id of ['a', 'b']) {
      await fleet.serve(id, {
        respond: (_, response) => void (isBroken && id === 'a' ? response.destroy() : response.end(JSON.stringify({ id }))),
      })
    }
    const { url } = await fleet.gateway([route], { affinityKeys: [secret] })
    let { response, echo } = await fetchEcho(url)
    while (echo.id !== 'a') ({ response, echo } = await fetchEcho(url))
    isBroken = true
    const diverted = await fetchEcho(url, withCookie(cookieOf(response)))
    expect(diverted.echo.id).toBe('b')
    expect(cookieOf(diverted.response)).toBeUndefined()
    isBroken = false
    expect((await fetchEcho(url, withCookie(cookieOf(response)))).echo.id).toBe('a')
    expect(fleet.outcomes.slice(-2).map(({ affinity }) => affinity)).toEqual(['diverted', 'kept'])
  })

  test.each([
    ['forged', (cookie: string) => `${cookie.slice(0, -1)}${cookie.endsWith('A') ? 'B' : 'A'}`],
    ['cut off', (cookie: string) => cookie.slice(0, -4)],
    ['empty', () => 'sid='],
  ])('that is %s gets a new one', async (_, change) => {
    const fleet = startFleet()
    await fleet.serve('a')
    const { url } = await fleet.gateway([route], { affinityKeys: [secret] })
    const { response } = await fetchEcho(url)
    const seen = await fetchEcho(url, withCookie(change(cookieOf(response) as string)))
    expect(cookieOf(seen.response)).toMatch(/^sid=[\w-]{48}$/)
    expect(fleet.outcomes.map(({ affinity }) => affinity)).toEqual(['new', 'invalid'])
  })
})

test('services behind other routes do not receive the cookie either', async () => {
  const fleet = startFleet()
  await fleet.serve('a')
  const other: RouteSpec = { name: 'other', match: { path: '/other' }, forward: { service: 'orders' } }
  const { gateway, url } = await fleet.gateway([route, other], { affinityKeys: [secret] })
  const init = { headers: { cookie: 'theme=dark; sid=1; sid2=2' } }
  expect((await fetchEcho(`${url}/other`, init)).echo.headers['cookie']).toBe('theme=dark; sid2=2')
  const listeners = [{ name: gateway.addresses[0]?.listener ?? '', address: '127.0.0.1:0' }]
  await gateway.configure({ listeners, routes: [{ ...route, affinity: { cookie: 'sid2' } }, other] })
  const after = `http://127.0.0.1:${gateway.addresses[0]?.port}/other`
  expect((await fetchEcho(after, init)).echo.headers['cookie']).toBe('theme=dark; sid=1')
})

test('a cookie expires, and is renewed once half of its time is over', async () => {
  const fleet = startFleet()
  await fleet.serve('a')
  const { url } = await fleet.gateway([{ ...route, affinity: { cookie: 'sid', ttlMs: 100_000 } }], { affinityKeys: [secret] })
  const cookie = withCookie(cookieOf((await fetchEcho(url)).response))
  const now = Date.now()
  const clock = vi.spyOn(Date, 'now')
  const renewed: boolean[] = []
  for (const laterMs of [40_000, 60_000, 101_000]) {
    clock.mockReturnValue(now + laterMs)
    renewed.push(cookieOf((await fetchEcho(url, cookie)).response) !== undefined)
  }
  clock.mockRestore()
  expect(renewed).toEqual([false, true, true])
  expect(fleet.outcomes.map(({ affinity }) => affinity)).toEqual(['new', 'kept', 'kept', 'invalid'])
})

test('keys rotate: one behind the first is accepted, and its cookies are signed again', async () => {
  const fleet = startFleet()
  for (const id of ['a', 'b', 'c']) await fleet.serve(id)
  const before = await fleet.gateway([route], { affinityKeys: [secret] })
  const after = await fleet.gateway([route], { affinityKeys: [other, secret] })
  const last = await fleet.gateway([route], { affinityKeys: [other] })
  const { response, echo } = await fetchEcho(before.url)
  const rotated = await fetchEcho(after.url, withCookie(cookieOf(response)))
  const kept = await fetchEcho(last.url, withCookie(cookieOf(rotated.response)))
  expect([rotated.echo.id, kept.echo.id]).toEqual([echo.id, echo.id])
  await fetchEcho(last.url, withCookie(cookieOf(response)))
  expect(fleet.outcomes.map(({ affinity }) => affinity)).toEqual(['new', 'kept', 'kept', 'invalid'])
})

test('attributes follow the route', async () => {
  const fleet = startFleet()
  await fleet.serve('a')
  const affinity = { cookie: '__Secure-sid', ttlMs: 1_000, path: '/orders', sameSite: 'strict' as const, secure: true }
  const { url } = await fleet.gateway([{ ...route, affinity }], { affinityKeys: [secret] })
  const { response } = await fetchEcho(url)
  expect(response.headers.get('set-cookie')).toMatch(/; Path=\/orders; Max-Age=1; HttpOnly; SameSite=Strict; Secure$/)
})

test('a cookie says nothing about its instance, and only its own name and key open it', () => {
  const key = new AffinityKey(secret)
  const endpoint = { instance: { service: 'orders', id: 'orders-10.0.0.1-8080' } } as never
  const claim = { target: key.nameTarget('orders', ''), instance: key.nameEndpoint(endpoint), expiresAt: 1_900_000_000 }
  const value = key.seal('sid', claim)
  expect(Buffer.from(value, 'base64url').toString('latin1')).not.toMatch(/orders|10\.0/)
  expect(openCookie('sid', value, [new AffinityKey(other), key])).toEqual({ ...claim, key })
  expect(openCookie('sib', value, [key])).toBeUndefined()
  expect(openCookie('sid', value, [new AffinityKey(other)])).toBeUndefined()
  for (let index = 0; index < value.length; index++) {
    const changed = `${value.slice(0, index)}${value[index] === 'A' ? 'B' : 'A'}${value.slice(index + 1)}`
    expect(openCookie('sid', changed, [key])).toBeUndefined()
  }
})

test('secrets that are short, or not texts, are refused without being quoted', () => {
  for (const secrets of [['short'], [7], 'x'.repeat(40), Array(11).fill(secret)]) {
    expect(() => createAffinityKeys('affinityKeys', secrets)).toThrow(/^Invalid affinityKeys(\[0\])?: got "another value"/)
  }
})
