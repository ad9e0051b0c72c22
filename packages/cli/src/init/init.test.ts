import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { eventually } from '@sd/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sdctl, startSdctl, terminalInput } from '../testing/run-sdctl.ts'
import { expectSchema } from '../testing/schemas.ts'
import { frameworks } from './frameworks.ts'
import { registries } from './registries.ts'

const home = fileURLToPath(new URL('../..', import.meta.url))
const patienceMs = 20_000
let folder = ''
beforeAll(async () => {
  // Below this package, so that the services find their dependencies.
  await mkdir(join(home, '.cache'), { recursive: true })
  folder = await mkdtemp(join(home, '.cache', 'init-'))
})
afterAll(() => rm(folder, { recursive: true }))

const init = (argv: readonly string[]) => sdctl(['init', ...argv], { cwd: folder })

test('every pair of framework and registry compiles', { timeout: 120_000 }, async () => {
  const pairs = Object.keys(frameworks).flatMap((framework) =>
    Object.keys(registries).map((registry) => [framework, registry] as const),
  )
  let compilerOptions = {}
  for (const [framework, registry] of pairs) {
    const name = `${framework}-${registry}`
    const { code } = await init([name, '--framework', framework, '--registry', registry])
    expect(code).toBe(0)
    const tsconfig = JSON.parse(await readFile(join(folder, name, 'tsconfig.json'), 'utf8'))
    compilerOptions = { ...compilerOptions, ...tsconfig.compilerOptions }
    const main = await readFile(join(folder, name, 'src/main.ts'), 'utf8')
    expect(main).toContain(`service: '${name}', registry: process.env['REGISTRY'] ?? '${registries[registry]}'`)
    expect(main.split('\n').filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(18)
    expect(JSON.parse(await readFile(join(folder, name, 'package.json'), 'utf8')).dependencies).toHaveProperty(
      `@sd/registry-${registry}`,
    )
  }
  // One program with the strictest options of all: that each can be built alone is tested below.
  const file = join(folder, 'tsconfig.json')
  const own = { noEmit: true, outDir: undefined, rootDir: undefined }
  await writeFile(file, JSON.stringify({ compilerOptions: { ...compilerOptions, ...own }, include: ['*/src'] }))
  const tsc = join(home, 'node_modules/.bin/tsc')
  const { stdout } = await promisify(execFile)(tsc, ['-p', file]).catch((error: { readonly stdout: string }) => error)
  expect(stdout).toBe('')
})

describe('init', () => {
  test('writes a service and says what is next', async () => {
    const { code, out } = await init([
      'shop',
      '--framework',
      'express',
      '--registry',
      'consul+tls://10.0.0.1:8500/?namespace=x',
      '--dir',
      'apps/shop',
    ])
    expect(code).toBe(0)
    expect(out).toContain('shop is a service for Express and consul. Next:\n  cd apps/shop\n  npm install\n  npm start\n')
    const manifest = JSON.parse(await readFile(join(folder, 'apps/shop/package.json'), 'utf8'))
    expect(Object.keys(manifest.dependencies)).toEqual(['@sd/app', '@sd/core', '@sd/registry-consul', 'express'])
    expect(Object.keys(manifest.devDependencies)).toEqual(['@types/express', '@types/node', 'typescript'])
    expect(Object.values({ ...manifest.dependencies, ...manifest.devDependencies })).not.toContain('*')
    expect(await readFile(join(folder, 'apps/shop/src/main.ts'), 'utf8')).toContain(
      "?? 'consul+tls://10.0.0.1:8500/?namespace=x'",
    )
  })

  test('overwrites nothing', async () => {
    await mkdir(join(folder, 'taken'))
    await writeFile(join(folder, 'taken', 'package.json'), '{}')
    const { code, err } = await init(['taken', '--framework', 'koa', '--registry', 'etcd'])
    expect(code).toBe(1)
    expect(err).toContain('has package.json already')
    expect(await readdir(join(folder, 'taken'))).toEqual(['package.json'])
    await writeFile(join(folder, 'file'), '')
    expect(await init(['x', '--framework', 'koa', '--registry', 'etcd', '--dir', 'file'])).toMatchObject({ code: 2 })
  })

  test.each([
    [[], 'Invalid service'],
    [['shop'], 'Invalid --framework: got undefined, want one of express, fastify, nestjs'],
    [['shop', '--framework', 'koa'], 'Invalid --registry: got undefined, want one of memory, consul'],
    [['shop', '--framework', 'rails', '--registry', 'consul'], "option '--framework <name>' argument 'rails' is invalid"],
    [['shop', '--framework', 'koa', '--registry', 'dns'], 'Invalid --registry: got "dns"'],
    [["shop'", '--framework', 'koa', '--registry', 'etcd'], 'Invalid service'],
    [['shop', '--framework', 'koa', '--registry', 'etcd://root:hidden@host'], 'a URL without them'],
    [['shop', '--framework', 'koa', '--registry', "etcd://host'+evil"], 'a URL without them'],
  ])('refuses %j', async (argv, message) => {
    const { code, err } = await init(argv)
    expect(code).toBe(2)
    expect(err).toContain(message)
    expect(err).not.toContain('hidden')
  })

  test('asks for what is missing in a terminal', async () => {
    const input = terminalInput()
    const { ended, out } = startSdctl(['init', '--framework', 'hono'], { cwd: folder, input, columns: 80 })
    await eventually(() => expect(out()).toContain('Name of the service'), patienceMs)
    input.write('asked')
    await eventually(() => expect(out()).toContain('asked'), patienceMs)
    input.write('\r')
    await eventually(() => expect(out()).toContain('consul://127.0.0.1:8500'.slice(0, 6)), patienceMs)
    input.write('\u001b[B')
    await eventually(() => expect(out()).toContain('(consul://127.0.0.1:8500)'), patienceMs)
    input.write('\r')
    const { code } = await ended
    expect(code).toBe(0)
    expect(out()).toContain('asked is a service for Hono on Node.js and consul')
  })

  test('writes nothing if the questions are cancelled, or interrupted', async () => {
    const input = terminalInput()
    const { ended, out } = startSdctl(['init', 'never', '--registry', 'etcd'], { cwd: folder, input, columns: 80 })
    await eventually(() => expect(out()).toContain('Framework'), patienceMs)
    input.write('\u0003')
    expect(await ended).toMatchObject({ code: 130, err: expect.stringContaining('nothing was written') })
    const interruption = new AbortController()
    const second = startSdctl(['init', 'never'], {
      cwd: folder,
      input: terminalInput(),
      columns: 80,
      signal: interruption.signal,
    })
    await eventually(() => expect(second.out()).toContain('Framework'), patienceMs)
    interruption.abort()
    expect((await second.ended).code).toBe(130)
    expect(await readdir(folder)).not.toContain('never')
  })

  test('prints its files as JSON', async () => {
    const { out } = await init(['json', '--framework', 'nestjs', '--registry', 'nacos', '--json'])
    expect(expectSchema(out)).toMatchObject({
      framework: 'nestjs',
      files: ['package.json', 'tsconfig.json', '.gitignore', 'src/main.ts'],
    })
  })
})
