import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { transform } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

// The sources have no decorators, so that Node runs them unbuilt. A fixture with all of them is compiled by each compiler, in both kinds.

const run = promisify(execFile)
const home = new URL('../', import.meta.url).pathname
const tsc = join(home, 'node_modules', '.bin', 'tsc')
let folder: string
let fixture: string

beforeAll(async () => {
  await mkdir(join(home, 'coverage'), { recursive: true })
  // Below this package, so that the programs find what they import.
  folder = await mkdtemp(join(home, 'coverage', 'compiled-'))
  fixture = await readFile(new URL('./testing/fixture.ts', import.meta.url), 'utf8')
})
afterAll(() => rm(folder, { recursive: true }))

const expected = [
  { pieces: 3 },
  {},
  ...['CHF', 10, 'stock', 'EUR', 'There is no configuration at shop.missing'],
  ...['USD', 7, ['USD'], 'USD'],
  ...['a USD', 'fallback bad broken', 'fallback bad Orders', 'fallback c Orders'],
  ...['open', null, 3],
  ...['ann', 'ann', 'SD_REJECTED undefined', 'SD_INVALID StockClient.find'],
  ...['all', { service: 'orders', version: '1.0.0' }, { dataId: 'orders.yaml', group: 'SHOP', at: 'shop' }, null],
]

const common = ['--ignoreConfig', '--module', 'nodenext', '--target', 'es2022', '--types', 'node']
const legacy = ['--experimentalDecorators']

/** Type-checks a file with the sources of this repository. */
async function check(file: string, kind: readonly string[]): Promise<void> {
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--allowImportingTsExtensions']
  const lib = ['--lib', 'es2024,esnext.disposable,esnext.decorators']
  await run(tsc, [...options, ...common, ...lib, ...kind, file], { cwd: home }).catch(({ stdout }: { stdout: string }) =>
    expect.unreachable(stdout),
  )
}

async function compileWithTsc(name: string, kind: readonly string[]): Promise<string> {
  const file = join(folder, `${name}.ts`)
  await writeFile(file, fixture)
  await check(file, kind)
  await run(tsc, [...common, ...kind, '--noCheck', '--noResolve', file], { cwd: home })
  return join(folder, `${name}.js`)
}

async function compileWithEsbuild(name: string, experimentalDecorators: boolean): Promise<string> {
  const { code } = await transform(fixture, {
    loader: 'ts',
    format: 'esm',
    target: 'es2022',
    tsconfigRaw: { compilerOptions: { experimentalDecorators, target: 'es2022' } },
  })
  const file = join(folder, `${name}.js`)
  await writeFile(file, code)
  return file
}

describe('every decorator does the same, compiled by', () => {
  test.each<[string, (name: string) => Promise<string>]>([
    ['tsc, standard', (name) => compileWithTsc(name, [])],
    ['tsc, legacy', (name) => compileWithTsc(name, legacy)],
    ['esbuild, standard', (name) => compileWithEsbuild(name, false)],
    ['esbuild, legacy', (name) => compileWithEsbuild(name, true)],
  ])('%s', { timeout: 120_000 }, async (name, compile) => {
    const program = await compile(name.replaceAll(/\W+/g, '-'))
    const { stdout } = await run(process.execPath, [program])
    expect(JSON.parse(stdout)).toEqual(expected)
  })
})

describe('in this process', () => {
  test.each([
    ['standard', false],
    ['legacy', true],
  ])('%s', async (name, isLegacy) => {
    const log = vi.spyOn(console, 'log').mockReturnValue()
    await import(await compileWithEsbuild(`here-${name}`, isLegacy))
    const [text] = log.mock.calls[0] ?? []
    log.mockRestore()
    expect(JSON.parse(String(text))).toEqual(expected)
  })
})

test('types refuse what can not work, in both kinds', { timeout: 120_000 }, async () => {
  const wrong = `import { CircuitBreaker, ConfigValue, ServiceCall, sent } from '@sd/decorators'
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { z } from 'zod'
class Wrong {
  // @ts-expect-error not asynchronous
  @CircuitBreaker(createCockatielBreaker)
  now(): number { return 1 }
  // @ts-expect-error another type
  @ConfigValue<number>('size')
  get size(): string { return '' }
  // @ts-expect-error another result than the schema's
  @ServiceCall('GET /stock', { response: z.object({ pieces: z.number() }) })
  find(): Promise<string> { return sent() }
  // @ts-expect-error a route without a method
  @ServiceCall('/stock')
  list(): Promise<unknown> { return sent() }
}
console.log(Wrong)
`
  const file = join(folder, 'wrong.ts')
  await writeFile(file, wrong)
  await check(file, [])
  await check(file, legacy)
})
