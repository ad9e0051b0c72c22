import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openConfigHistory } from '@sd/config-center'
import { createLock } from '@sd/lock'
import { obtainServer, startEtcd } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createExampleConfig, ordersText, writeExampleEntries, writeExampleVersions } from '../testing/example-config.ts'
import { createExampleLock } from '../testing/example-lock.ts'
import { expectGolden } from '../testing/golden.ts'
import { type SdctlOptions, sdctl, startSdctl } from '../testing/run-sdctl.ts'
import { expectSchema } from '../testing/schemas.ts'

const patienceMs = 20_000
const etcd = await obtainServer('etcd')

/** Where the example entries and locks are. */
interface Place {
  readonly urls: Readonly<Record<string, string>>
  readonly options: SdctlOptions
  close(): Promise<void>
}

const places: Readonly<Record<string, (() => Promise<Place>) | undefined>> = {
  async memory() {
    const { config, historyStore } = await createExampleConfig()
    const options = { config, historyStore, lockTypes: { example: { create: createExampleLock } } }
    const urls = { SD_REGISTRY: 'memory:', SD_CONFIG: 'memory:', SD_LOCK: 'example:' }
    return { urls, options, close: () => config.close() }
  },
  etcd:
    etcd &&
    (async () => {
      const server = await startEtcd(etcd)
      const place = `etcd://127.0.0.1:${server.port}`
      const opened = await openConfigHistory(`${place}/orders`, { key: 'orders.yaml', author: 'ann' })
      await writeExampleVersions(opened.history)
      await writeExampleEntries(opened.source)
      await opened.close()
      const lock = await createLock(place)
      await lock.acquire('nightly-report', { value: 'cron-1' })
      await lock.acquire('orders/leader', { value: 'postgres://u:hidden-canary@orders-0/db' })
      const urls = { SD_REGISTRY: place, SD_CONFIG: `${place}/orders`, SD_LOCK: place }
      return { urls, options: {}, close: () => lock.close().then(() => server.close()) }
    }),
}

const commands: Readonly<Record<string, readonly string[]>> = {
  'config-ls': ['config'],
  'config-get': ['config', 'get', 'orders.yaml'],
  'config-get-json': ['config', 'get', 'flags.json'],
  'config-history': ['config', 'history', 'orders.yaml'],
  'config-diff': ['config', 'diff', 'orders.yaml', '2', '3'],
  'config-verify': ['config', 'verify', 'orders.yaml'],
  'canary-show': ['canary', 'show', 'orders.yaml'],
  locks: ['locks'],
  'locks-prefix': ['locks', 'ls', 'orders/', '--limit', '1'],
  'locks-holder': ['locks', 'holder', 'nightly-report'],
  'locks-free': ['locks', 'holder', 'nothing'],
}

/** Parts of an output that differ from run to run. */
function normalize(text: string): string {
  return text
    .replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
    .replaceAll(/(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d/g, 'HH:MM:SS')
    .replaceAll(/\d+ (?:s|min) ago/g, 'N s ago')
    .replaceAll(/[0-9a-f]{64}/g, 'HASH')
    .replaceAll(/^((?:nightly-report|orders\/leader) .*?) +\d+$/gm, '$1 N')
    .replaceAll(/(token +)\d+/g, '$1N')
}

describe.each(Object.entries(places))('%s', (name, start) => {
  describe.runIf(start)('with the example entries', () => {
    let place: Place
    let folder = ''
    beforeAll(async () => {
      place = await (start as () => Promise<Place>)()
      folder = await mkdtemp(join(tmpdir(), 'sd-cli-'))
    })
    afterAll(async () => {
      await place.close()
      await rm(folder, { recursive: true })
    })
    const run = (argv: readonly string[], options: SdctlOptions = {}) =>
      sdctl(argv, { env: { ...place.urls, ...options.env }, cwd: folder, ...place.options, ...options })

    describe.each(Object.entries(commands))('%s', (command, argv) => {
      test.each([80, 140])('at %d columns', async (columns) => {
        const { code, out, err } = await run(argv, { columns, env: { ...place.urls, NO_COLOR: '1' } })
        expect({ code, err }).toEqual({ code: 0, err: '' })
        expect(out).not.toContain('canary@')
        expect(out).not.toContain('tiger')
        expectGolden(`${name}/${command}-${columns}`, normalize(out))
      })

      test('as JSON', async () => {
        const { code, out } = await run([...argv, '--json'])
        expect(code).toBe(0)
        expect(out).not.toMatch(/tiger|hidden-canary/)
        expectSchema(out)
      })
    })
  })
})

describe.runIf(etcd)('on etcd, what commands of an operator do', () => {
  test('an entry is written, rolled back and released; all of it is in the history', async () => {
    const server = await startEtcd(etcd as NonNullable<typeof etcd>)
    onTestFinished(() => server.close())
    const place = `etcd://127.0.0.1:${server.port}`
    const home = await mkdtemp(join(tmpdir(), 'sd-cli-'))
    onTestFinished(() => rm(home, { recursive: true }))
    await writeFile(join(home, 'orders.yaml'), ordersText(20))
    await mkdir(join(home, 'sdctl'))
    await writeFile(
      join(home, 'sdctl', 'config.yaml'),
      `current: dev\ncontexts: [{ name: dev, registry: "${place}", config: "${place}/orders", write: true }]`,
    )
    const env = { XDG_CONFIG_HOME: home, SD_AUTHOR: 'ann' }
    const change = (...argv: string[]) =>
      sdctl([...argv, '--reason', 'a test', '--yes', '--json', '--wait', '1ms'], { env, cwd: home })
    const quickly = (...argv: string[]) => sdctl([...argv, '--reason', 'a test', '--yes', '--json'], { env, cwd: home })
    const watching = new AbortController()
    const watch = startSdctl(['config', 'watch', '--json'], { env, signal: watching.signal })
    expect(expectSchema((await change('config', 'set', 'orders.yaml', 'orders.yaml')).out)).toMatchObject({
      version: 1,
      state: 'written',
    })
    await eventually(() => expect(watch.out()).toContain('orders.yaml'), patienceMs)
    await writeFile(join(home, 'next.yaml'), ordersText(30))
    expect(expectSchema((await change('config', 'set', 'orders.yaml', 'next.yaml')).out)).toMatchObject({
      version: 2,
      values: [{ path: 'db.pool.size', before: 20, after: 30 }],
    })
    expect(expectSchema((await change('config', 'rollback', 'orders.yaml', '1')).out)).toMatchObject({ version: 3, of: 1 })
    expect(expectSchema((await quickly('canary', 'publish', 'orders.yaml', 'next.yaml', '--share', '10')).out)).toMatchObject({
      rule: { share: 10 },
    })
    expectSchema((await quickly('canary', 'retarget', 'orders.yaml', '--tag', 'beta')).out)
    expectSchema((await change('canary', 'promote', 'orders.yaml')).out)
    const { out } = await sdctl(['config', 'history', 'orders.yaml', '--json'], { env })
    const { versions, isChangedPastHistory } = expectSchema(out) as {
      readonly versions: readonly { readonly version: number; readonly author: string; readonly comment: string }[]
      readonly isChangedPastHistory: boolean
    }
    expect(versions.map(({ version, author, comment }) => `${version} ${author} ${comment}`)).toEqual([
      '3 ann a test',
      '2 ann a test',
      '1 ann a test',
    ])
    // The promotion is not a version of the history; the next change records it.
    expect(isChangedPastHistory).toBe(true)
    watching.abort()
    expect((await watch.ended).code).toBe(0)
    for (const line of watch.out().trimEnd().split('\n')) expectSchema(line)
    expect(watch.out()).not.toContain('tiger')
  })
})
