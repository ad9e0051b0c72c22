import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '@sd/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type AccessLists, createIpAccessFilter, type IpAccessOptions } from './index.ts'
import { startEdge } from './testing/start-edge.ts'

const rows: readonly (readonly [string, IpAccessOptions, string, number])[] = [
  ['allow: an address', { allow: ['192.0.2.1'] }, '192.0.2.1', 200],
  ['allow: another address', { allow: ['192.0.2.1'] }, '192.0.2.2', 403],
  ['allow: first of a network', { allow: ['10.1.0.0/16'] }, '10.1.0.0', 200],
  ['allow: last of a network', { allow: ['10.1.0.0/16'] }, '10.1.255.255', 200],
  ['allow: before a network', { allow: ['10.1.0.0/16'] }, '10.0.255.255', 403],
  ['allow: after a network', { allow: ['10.1.0.0/16'] }, '10.2.0.0', 403],
  ['allow: a prefix that is not a whole byte', { allow: ['172.16.0.0/12'] }, '172.31.255.255', 200],
  ['allow: behind such a prefix', { allow: ['172.16.0.0/12'] }, '172.32.0.0', 403],
  ['allow: /32', { allow: ['255.255.255.255/32'] }, '255.255.255.255', 200],
  ['allow: bits after the prefix do not matter', { allow: ['10.1.2.3/8'] }, '10.9.9.9', 200],
  ['allow: the second network', { allow: ['10.0.0.0/8', '192.0.2.0/24'] }, '192.0.2.9', 200],
  ['allow: all of IPv4', { allow: ['0.0.0.0/0'] }, '203.0.113.1', 200],
  ['allow: all of IPv4 is not IPv6', { allow: ['0.0.0.0/0'] }, '2001:db8::1', 403],
  ['allow: all of IPv6 is not IPv4', { allow: ['::/0'] }, '203.0.113.1', 403],
  ['allow: IPv6', { allow: ['2001:db8::/32'] }, '2001:db8:ffff::1', 200],
  ['allow: IPv6 behind the network', { allow: ['2001:db8::/32'] }, '2001:db9::', 403],
  ['allow: IPv6 in another spelling', { allow: ['2001:DB8:0:0::1'] }, '2001:0db8::0001', 200],
  ['allow: IPv6 with a prefix that is not a whole group', { allow: ['fc00::/7'] }, 'fdff::1', 200],
  ['allow: an empty list allows no client', { allow: [] }, '192.0.2.1', 403],
  ['allow: IPv4 for a mapped client', { allow: ['192.0.2.0/24'] }, '::ffff:192.0.2.1', 200],
  ['allow: IPv4 for a mapped client in hexadecimal', { allow: ['192.0.2.0/24'] }, '::ffff:c000:201', 200],
  ['deny: IPv4 for a mapped client', { deny: ['192.0.2.0/24'] }, '::ffff:192.0.2.1', 403],
  ['deny: a mapped network for an IPv4 client', { deny: ['::ffff:192.0.2.0/120'] }, '192.0.2.1', 403],
  ['deny: all mapped addresses are all of IPv4', { deny: ['::ffff:0:0/96'] }, '192.0.2.1', 403],
  ['deny: an address', { deny: ['192.0.2.1'] }, '192.0.2.1', 403],
  ['deny: another address', { deny: ['192.0.2.1'] }, '192.0.2.2', 200],
  ['deny: an empty list denies no client', { deny: [] }, '192.0.2.2', 200],
  ['both: in allow only', { allow: ['10.0.0.0/8'], deny: ['10.1.0.0/16'] }, '10.2.0.1', 200],
  ['both: deny wins', { allow: ['10.0.0.0/8'], deny: ['10.1.0.0/16'] }, '10.1.0.1', 403],
  ['both: deny wins over a more specific allow', { allow: ['10.1.0.1'], deny: ['10.0.0.0/8'] }, '10.1.0.1', 403],
  ['both: in neither', { allow: ['10.0.0.0/8'], deny: ['10.1.0.0/16'] }, '192.0.2.1', 403],
]

test('lists decide by the address of the client', async () => {
  const send = await startEdge(
    createIpAccessFilter(),
    Object.fromEntries(rows.map(([, options], index) => [`r${index}`, options])),
  )
  const results = await Promise.all(rows.map(async ([name, , client], index) => [name, (await send(`r${index}`, client)).status]))
  expect(results).toEqual(rows.map(([name, , , status]) => [name, status]))
})

test('a refusal is like the errors of the gateway, and names no list', async () => {
  const send = await startEdge(createIpAccessFilter(), { orders: { deny: ['192.0.2.0/24'] } })
  const response = await send('orders', '192.0.2.1', { accept: 'application/json' })
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  expect(response.headers.get('x-gateway-error')).toBe('SD_DENIED')
  expect(await response.json()).toEqual({
    type: 'about:blank',
    title: 'Forbidden',
    status: 403,
    detail: 'The address of the client has no access.',
    code: 'SD_DENIED',
  })
  expect(await (await send('orders', '192.0.2.1')).text()).toMatch(/^403 Forbidden\n/)
})

test('an address that the client itself claims does not count before that of its proxy', async () => {
  const send = await startEdge(createIpAccessFilter(), { orders: { allow: ['10.0.0.0/8'] } })
  expect((await send('orders', '10.0.0.1, 203.0.113.7')).status).toBe(403)
  expect((await send('orders', '203.0.113.7, 10.0.0.1')).status).toBe(200)
})

describe('a file', () => {
  async function createFile(text: string) {
    const folder = await mkdtemp(join(tmpdir(), 'sd-ip-access-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const path = join(folder, 'networks')
    await writeFile(path, text)
    return { path, folder }
  }

  test('that changes is used, and one that is not valid leaves the networks as they were', async () => {
    const { path, folder } = await createFile('# offices\n10.0.0.0/8 # Berlin\n\n2001:db8::/32\r\n')
    const errors: string[] = []
    const filter = createIpAccessFilter({ onError: ({ message }) => void errors.push(message) })
    const send = await startEdge(filter, {
      allow: { allowFile: path, deny: ['10.1.0.0/16'], reloadMs: 100 },
      deny: { denyFile: path, reloadMs: 100 },
    })
    const statuses = async (client: string) => [(await send('allow', client)).status, (await send('deny', client)).status]
    expect(await statuses('10.0.0.1')).toEqual([200, 403])
    expect(await statuses('10.1.0.1')).toEqual([403, 403])
    expect(await statuses('2001:db8::1')).toEqual([200, 403])
    expect(await statuses('192.0.2.1')).toEqual([403, 200])
    // A file that is written in place may be read while it is empty.
    const replace = async (text: string) => {
      await writeFile(join(folder, 'next'), text)
      await rename(join(folder, 'next'), path)
    }
    await replace('192.0.2.0/24\n')
    await eventually(async () => expect(await statuses('192.0.2.1')).toEqual([200, 403]), 20_000)
    expect(await statuses('10.0.0.1')).toEqual([403, 200])
    await replace('192.0.2.0/24\nlocalhost\n')
    await eventually(async () => {
      await statuses('192.0.2.1')
      expect(errors.join()).toContain('line 2')
    }, 20_000)
    await rm(path)
    await eventually(async () => {
      await statuses('192.0.2.1')
      expect(errors.join()).toContain('ENOENT')
    }, 20_000)
    expect(await statuses('192.0.2.1')).toEqual([200, 403])
  })

  test('that is not valid at the start is refused', async () => {
    const { path } = await createFile('10.0.0.0/8\n10.0.0.0/99\n')
    const create = (options: IpAccessOptions) => createIpAccessFilter()({ ...options }, { route: 'orders', path: '' })
    expect(() => create({ allowFile: path })).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: 'allowFile line 2' }))
    expect(() => create({ denyFile: `${path}-no` })).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: 'denyFile' }))
  })
})

test('lists of a function are followed, and what is wrong with them is reported', async () => {
  let lists: (() => AccessLists) | undefined
  const errors: string[] = []
  const filter = createIpAccessFilter({
    lists: () => (lists as () => AccessLists)(),
    onError: ({ message }) => void errors.push(message),
  })
  const send = await startEdge(filter, { orders: {}, internal: { allow: ['10.0.0.0/8'] } })
  const statuses = async (client: string) => [(await send('orders', client)).status, (await send('internal', client)).status]
  expect(await statuses('10.0.0.1')).toEqual([403, 200])
  expect(errors[0]).toContain('The function lists failed')
  const first: AccessLists = { deny: ['10.1.0.0/16'] }
  lists = () => first
  expect(await statuses('10.0.0.1')).toEqual([200, 200])
  expect(await statuses('10.1.0.1')).toEqual([403, 403])
  expect(await statuses('192.0.2.1')).toEqual([200, 403])
  errors.length = 0
  const wrong: AccessLists = { allow: ['example.com'] }
  lists = () => wrong
  expect(await statuses('10.1.0.1')).toEqual([403, 403])
  expect(errors).toEqual([expect.stringContaining('lists.allow[0]'), expect.stringContaining('lists.allow[0]')])
})

test.each<readonly [Readonly<Record<string, unknown>>, string]>([
  [{}, 'allow'],
  [{ allow: '10.0.0.0/8' }, 'allow'],
  [{ allow: ['10.0.0.0/8', 'localhost'] }, 'allow[1]'],
  [{ deny: ['10.0.0.0/33'] }, 'deny[0]'],
  [{ deny: ['10.0.0/8'] }, 'deny[0]'],
  [{ deny: ['010.0.0.1'] }, 'deny[0]'],
  [{ deny: ['2001:db8::/129'] }, 'deny[0]'],
  [{ deny: ['::ffff:10.0.0.0/95'] }, 'deny[0]'],
  [{ deny: ['fe80::1%eth0'] }, 'deny[0]'],
  [{ deny: ['10.0.0.1:80'] }, 'deny[0]'],
  [{ deny: ['10.0.0.0/'] }, 'deny[0]'],
  [{ deny: [''] }, 'deny[0]'],
  [{ deny: [7] }, 'deny[0]'],
  [{ deny: [], reloadMs: 1 }, 'reloadMs'],
  [{ allowFile: 7 }, 'allowFile'],
  [{ denied: [] }, 'denied'],
])('the options %j are refused for %s', (options, field) => {
  expect(() => createIpAccessFilter()(options, { route: 'orders', path: '' })).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', field }),
  )
})
