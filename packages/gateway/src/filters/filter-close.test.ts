import { expect, test, vi } from 'vitest'
import { startFleet } from '../testing/start-fleet.ts'
import type { GatewayFilter } from './filter.ts'

const forward = { service: 'orders' }

/** Filters that write down which of them was closed. */
function recording() {
  const closed: string[] = []
  const factory = ({ label }: Readonly<Record<string, unknown>>): GatewayFilter => ({
    close: () => void closed.push(String(label)),
  })
  return { closed, filters: { mark: factory } }
}

const route = (label: string, more: object = {}) => ({
  name: 'orders',
  forward,
  filters: [{ filter: 'mark', label }],
  ...more,
})

test('a filter is closed when a new table replaces or removes it, and when the gateway closes', async () => {
  const { closed, filters } = recording()
  const { gateway } = await startFleet().gateway([route('one')], { filters })
  const listeners = [{ name: 'edge', address: '127.0.0.1:0' }]
  await gateway.configure({ listeners, routes: [route('one', { limits: { bodyBytes: 1 } })] })
  expect(closed).toEqual([])
  await gateway.configure({ listeners, routes: [route('two')] })
  expect(closed).toEqual(['one'])
  await gateway.configure({ listeners, routes: [] })
  expect(closed).toEqual(['one', 'two'])
  await gateway.configure({ listeners, routes: [route('three')] })
  await gateway.close()
  expect(closed).toEqual(['one', 'two', 'three'])
})

test('a filter is closed after the last exchange that uses it', async () => {
  const { closed, filters } = recording()
  const fleet = startFleet()
  let respond: (() => void) | undefined
  await fleet.serve('a', {
    respond: (_, response) => {
      respond = () => response.end()
    },
  })
  const { gateway, url } = await fleet.gateway([route('one')], { filters })
  const response = fetch(url)
  await vi.waitFor(() => expect(respond).toBeDefined(), 10_000)
  const listeners = [{ name: gateway.addresses[0]?.listener ?? '', address: '127.0.0.1:0' }]
  await gateway.configure({ listeners, routes: [route('two')] })
  expect(closed).toEqual([])
  respond?.()
  await response
  await vi.waitFor(() => expect(closed).toEqual(['one']), 10_000)
})

test('the filters of a table that is refused are closed, those in effect are not', async () => {
  const { closed, filters } = recording()
  const { gateway } = await startFleet().gateway([route('one')], {
    filters: {
      ...filters,
      bad: () => {
        throw new Error('no')
      },
    },
  })
  const listeners = [{ name: 'edge', address: '127.0.0.1:0' }]
  const bad = { name: 'bad', match: { path: '/bad' }, forward, filters: [{ filter: 'bad' }] }
  await expect(gateway.configure({ listeners, routes: [route('two'), bad] })).rejects.toThrow()
  expect(closed).toEqual(['two'])
  const taken = [{ name: 'edge', address: '192.0.2.1:1' }]
  await expect(gateway.configure({ listeners: taken, routes: [route('three')] })).rejects.toThrow()
  expect(closed).toEqual(['two', 'three'])
})

test('a filter that throws in close is reported, and the others are closed', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  const { closed, filters } = recording()
  const { gateway } = await startFleet().gateway(
    [{ name: 'orders', forward, filters: [{ filter: 'bad' }, { filter: 'mark', label: 'one' }] }],
    {
      filters: {
        ...filters,
        bad: () => ({
          close() {
            throw new Error('no')
          },
        }),
      },
    },
  )
  await gateway.close()
  expect(closed).toEqual(['one'])
  expect(warned).toHaveBeenCalledWith(expect.objectContaining({ code: 'SD_LISTENER_FAILED' }))
  warned.mockRestore()
})
