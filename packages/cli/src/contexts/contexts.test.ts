import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryRegistry } from '@sd/registry-memory'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { expectGolden } from '../testing/golden.ts'
import { sdctl } from '../testing/run-sdctl.ts'
import { expectSchema } from '../testing/schemas.ts'
import { describeUrl } from './target.ts'

let home = ''
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'sd-cli-'))
})
afterAll(() => rm(home, { recursive: true }))

const two = `# Ours.
current: dev
contexts:
  - name: dev
    registry: 'memory:'
    write: true # on this machine
  - name: prod
    registry: consul+tls://hidden-canary@10.0.0.1:8500,10.0.0.2:8500/?token=hidden-canary
    config: etcd://root:hidden-canary@10.0.0.3:2379/config
    lock: etcd://10.0.0.3:2379
    adminToken: [pass, show, hidden-canary]
`

async function withFile(text: string): Promise<{ readonly env: Readonly<Record<string, string>>; readonly path: string }> {
  const folder = await mkdtemp(join(home, 'config-'))
  await mkdir(join(folder, 'sdctl'))
  const path = join(folder, 'sdctl', 'config.yaml')
  await writeFile(path, text)
  return { env: { XDG_CONFIG_HOME: folder }, path }
}

describe('contexts', () => {
  test('are listed and shown without credentials', async () => {
    const { env, path } = await withFile(two)
    const { out } = await sdctl(['contexts'], { env })
    expectGolden('contexts', out.replace(path, 'PATH'))
    const shown = await sdctl(['contexts', 'show', 'prod'], { env })
    expect(shown.out).toContain('admin token  from a program')
    const lines = await Promise.all(
      [['contexts'], ['contexts', 'show'], ['contexts', 'show', 'prod']].map((argv) => sdctl([...argv, '--json'], { env })),
    )
    for (const { code, out: json } of lines) {
      expect(code).toBe(0)
      expectSchema(json)
      expect(json + shown.out).not.toContain('hidden-canary')
    }
    expect(expectSchema(lines[1]?.out ?? '')).toMatchObject({ name: 'dev', isCurrent: true, write: true })
  })

  test('use changes the current one, keeps comments, and lets only the owner read', async () => {
    const { env, path } = await withFile(two)
    const { out, code } = await sdctl(['contexts', 'use', 'prod', '--json'], { env })
    expect(code).toBe(0)
    expect(expectSchema(out)).toEqual({ path, current: 'prod' })
    const text = await readFile(path, 'utf8')
    expect(text).toBe(two.replace('current: dev', 'current: "prod"'))
    expect((await stat(path)).mode & 0o077).toBe(0)
    const bare = await withFile(two.replace('current: dev\n', ''))
    expect((await sdctl(['contexts', 'use', 'dev'], bare)).code).toBe(0)
    expect((await sdctl(['contexts', 'show'], bare)).out).toContain('context    dev')
    expect(await sdctl(['contexts', 'use', 'test'], { env })).toMatchObject({
      code: 2,
      err: expect.stringContaining('want dev, prod'),
    })
  })

  test('choose the registry: --registry before --context before SD_REGISTRY before the current one', async () => {
    const { env } = await withFile(two.replace('prod', 'other').replace(/registry: consul.*/, 'registry: static:other.yaml'))
    const registry = createMemoryRegistry()
    onTestFinished(() => registry.close())
    const run = async (argv: readonly string[], more = {}) =>
      sdctl(['services', ...argv], { env: { ...env, ...more }, memory: registry })
    expect((await run([])).out).toContain('memory · 0 services')
    expect((await run(['--context', 'other'])).err).toContain('other.yaml')
    expect((await run([], { SD_REGISTRY: 'static:env.yaml' })).err).toContain('env.yaml')
    expect((await run(['--context', 'dev'], { SD_REGISTRY: 'static:env.yaml' })).out).toContain('memory')
    expect((await run(['--registry', 'static:flag.yaml'], { SD_REGISTRY: 'memory:' })).err).toContain('flag.yaml')
    expect((await run(['--context', 'none'])).err).toContain('want one of dev, other')
  })

  test.each([
    ['contexts: [{ name: a, registy: x }]', 'Invalid contexts[0].registy: unknown field, did you mean registry?'],
    ['context: []', 'Invalid context: unknown field, did you mean contexts?'],
    ['contexts: [{ name: a }, { name: a }]', 'Invalid contexts[1].name'],
    ['contexts: [{ name: a, write: "yes" }]', 'Invalid contexts[0].write'],
    ['contexts: [{ name: a, adminToken: "pass show" }]', 'Invalid contexts[0].adminToken'],
    ['contexts: [{ name: a, registry: "user:hidden@host" }]', 'Invalid contexts[0].registry: got "another text"'],
    ['contexts: {}', 'Invalid contexts'],
    ['current: b\ncontexts: [{ name: a }]', 'Invalid current: got "b", want one of a'],
    ['contexts:\n  - registry: etcd://hidden@host:1\n    x: {', 'config.yaml, line 3: '],
  ])('%j is refused', async (text, message) => {
    const { env } = await withFile(text)
    const { code, err } = await sdctl(['contexts'], { env })
    expect(code).toBe(2)
    expect(err).toContain(message)
    expect(err).not.toContain('hidden@')
  })

  test('are none without a file or a home', async () => {
    expect((await sdctl(['contexts'], { env: { HOME: home } })).out).toContain('There are no contexts in')
    expect(expectSchema((await sdctl(['contexts', '--json'])).out)).toEqual({ path: '', contexts: [] })
    expect(await sdctl(['contexts', 'show'], { env: { HOME: home } })).toMatchObject({ code: 2 })
  })

  test('a file that cannot be read is wrong usage', async () => {
    const { env, path } = await withFile('')
    await rm(path)
    await mkdir(path)
    expect(await sdctl(['contexts'], { env })).toMatchObject({ code: 2, err: expect.stringContaining("can't be read") })
  })
})

test.each([
  ['consul+tls://token@a:1,b:2/?token=x', 'consul a:1,b:2'],
  ['etcd://root:p@ss@[::1]:2379/my/prefix', 'etcd [::1]:2379/my/prefix'],
  ['memory:', 'memory'],
  ['static:services.yaml?x=y', 'static services.yaml'],
  ['kubernetes://orders', 'kubernetes orders'],
  ['user:secret@host', 'user'],
  ['no url', 'a registry'],
])('%s is described as %s', (url, label) => {
  expect(describeUrl(url)).toBe(label)
})
