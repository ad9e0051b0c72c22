import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { nodesToTest, obtainRuntime } from '@sd/test-servers'
import { transform as transformWithSwc } from '@swc/core'
import { transform } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

// The sources have no decorators, so that Node runs them unbuilt. A fixture with all of them is compiled by each compiler, in both kinds.

const run = promisify(execFile)
const home = new URL('../', import.meta.url).pathname
/** The compilers of TypeScript, by their packages. */
const typescript7 = { tsc: join(home, 'node_modules', 'typescript', 'bin', 'tsc'), ownOptions: ['--ignoreConfig'] }
const typescript59 = { tsc: join(home, 'node_modules', 'typescript-5.9', 'bin', 'tsc'), ownOptions: [] }
/** Whether types are checked by TypeScript 5.9 too, which takes it ten seconds for each file: `pnpm check runtimes`. */
const isThorough = nodesToTest().length > 1
type TypeScript = { readonly tsc: string; readonly ownOptions: readonly string[] }
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
  ...[true, true, false],
]

const common = ['--module', 'nodenext', '--target', 'es2022', '--types', 'node']
const legacy = ['--experimentalDecorators']

/** A program, and the command that runs it. */
type Compiled = readonly [command: string, ...args: string[]]

/** Type-checks a file with the sources of this repository. */
async function check(file: string, kind: readonly string[], { tsc, ownOptions }: TypeScript = typescript7): Promise<void> {
  const options = [...ownOptions, '--noEmit', '--strict', '--skipLibCheck', '--allowImportingTsExtensions']
  const lib = ['--lib', 'es2024,esnext.disposable,esnext.decorators']
  await run(process.execPath, [tsc, ...options, ...common, ...lib, ...kind, file], { cwd: home }).catch(
    ({ stdout }: { stdout: string }) => expect.unreachable(stdout),
  )
}

async function compileWithTsc(name: string, kind: readonly string[], compiler: TypeScript): Promise<Compiled> {
  const file = join(folder, `${name}.ts`)
  await writeFile(file, fixture)
  if (compiler === typescript7 || isThorough) await check(file, kind, compiler)
  const { tsc, ownOptions } = compiler
  await run(process.execPath, [tsc, ...ownOptions, ...common, ...kind, '--noCheck', '--noResolve', file], { cwd: home })
  return [process.execPath, join(folder, `${name}.js`)]
}

async function compileWithSwc(name: string, isLegacy: boolean): Promise<Compiled> {
  const { code } = await transformWithSwc(fixture, {
    swcrc: false,
    module: { type: 'es6' },
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: isLegacy ? { legacyDecorator: true, decoratorMetadata: true } : { decoratorVersion: '2022-03' },
    },
  })
  const file = join(folder, `${name}.js`)
  await writeFile(file, code)
  return [process.execPath, file]
}

/** Leaves the fixture as it is, for runtimes that compile it themselves. */
async function leaveToRuntime(name: string, command: readonly [string, ...string[]], isLegacy: boolean): Promise<Compiled> {
  const own = join(folder, name)
  await mkdir(own)
  await writeFile(join(own, 'tsconfig.json'), JSON.stringify({ compilerOptions: { experimentalDecorators: isLegacy } }))
  await writeFile(join(own, 'program.ts'), fixture)
  return [...command, join(own, 'program.ts')]
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
  test.each<[string, (name: string) => Promise<Compiled>]>([
    ['tsc 7, standard', (name) => compileWithTsc(name, [], typescript7)],
    ['tsc 7, legacy', (name) => compileWithTsc(name, legacy, typescript7)],
    ['tsc 5.9, standard', (name) => compileWithTsc(name, [], typescript59)],
    ['tsc 5.9, legacy', (name) => compileWithTsc(name, legacy, typescript59)],
    ['esbuild, standard', async (name) => [process.execPath, await compileWithEsbuild(name, false)]],
    ['esbuild, legacy', async (name) => [process.execPath, await compileWithEsbuild(name, true)]],
    ['swc, 2022-03', (name) => compileWithSwc(name, false)],
    ['swc, legacy', (name) => compileWithSwc(name, true)],
    ['Bun, standard', async (name) => leaveToRuntime(name, [await obtainRuntime('bun')], false)],
    ['Bun, legacy', async (name) => leaveToRuntime(name, [await obtainRuntime('bun')], true)],
    [
      'Deno, standard',
      async (name) => leaveToRuntime(name, [await obtainRuntime('deno'), 'run', '--allow-all', '--no-lock'], false),
    ],
  ])('%s', { timeout: 120_000 }, async (name, compile) => {
    const [command, ...args] = await compile(name.replaceAll(/\W+/g, '-'))
    const { stdout } = await run(command, args, { cwd: folder })
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

test.each<[string, TypeScript]>([['7', typescript7], ...(isThorough ? [['5.9', typescript59] as [string, TypeScript]] : [])])(
  'types refuse what can not work, in both kinds, with TypeScript %s',
  { timeout: 120_000 },
  async (_, compiler) => {
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
    await check(file, [], compiler)
    await check(file, legacy, compiler)
  },
)
