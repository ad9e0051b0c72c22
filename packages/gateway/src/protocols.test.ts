import { expect, test } from 'vitest'
import { createGateway, type GatewayOptions } from './gateway.ts'
import { checkTable } from './table/resolve-table.ts'
import { openShop, tableOf } from './testing/start-shop.ts'

const websocket = { kind: 'upgrade', name: 'websocket', connect: () => ({ beginDrain: () => {} }) }

test.each([
  ['protocols[0].kind', [{ ...websocket, kind: 'chat' }]],
  ['protocols[0].connect', [{ kind: 'upgrade', name: 'websocket' }]],
  ['protocols[0].name', [{ ...websocket, name: 'h2' }]],
  ['protocols[1].name', [websocket, websocket]],
])('a wrong %s of the protocols is refused', async (field, protocols) => {
  const options = { client: openShop().client, table: tableOf('orders'), protocols } as unknown as GatewayOptions
  await expect(createGateway(options)).rejects.toMatchObject({ code: 'SD_INVALID', field })
})

test('a protocol that the gateway does not have is refused with those that it has, and one that is added later is known', async () => {
  const shop = openShop()
  const protocols: NonNullable<GatewayOptions['protocols']>[number][] = []
  const gateway = await shop.startGateway(tableOf('orders'), { protocols })
  const table = tableOf('orders')
  const routes = table.routes.map((route) => ({ ...route, match: { protocol: 'websocket' } }))
  await expect(gateway.configure({ ...table, routes })).rejects.toMatchObject({ field: 'routes[0].match.protocol' })
  await expect(gateway.configure({ ...table, routes })).rejects.toThrow('one of http')
  protocols.push({ kind: 'upgrade', name: 'websocket', connect: () => ({ beginDrain: () => {} }) })
  await expect(gateway.configure({ ...table, routes })).resolves.toMatchObject({ version: 2 })
})

test('a table that is checked without protocols may name any', () => {
  const table = { listeners: [{ name: 'edge', address: '127.0.0.1:0', protocols: ['chat'] }], routes: [] }
  expect(checkTable(table).problems).toEqual([])
  expect(checkTable(table, { protocols: [] }).problems.map(({ field }) => field)).toEqual(['listeners[0].protocols[0]'])
})
