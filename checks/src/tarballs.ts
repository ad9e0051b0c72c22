import { globSync, readFileSync } from 'node:fs'
import { mkdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { checkPackage, createPackageFromTarballData, type Package as PackedArchive } from '@arethetypeswrong/core'
import { build, stop } from 'esbuild'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { forEachLimited, type GateResult, resultOf, root, runCommand } from './gate.ts'
import type { Package } from './workspace.ts'

/** Folder of the tarballs, also for the install test. */
const tarballFolder = join(root, '.cache', 'tarballs')

/** Maximum sizes in bytes. */
interface Budget {
  /** Of the tarball. */
  readonly packed: number
  /** Of the bundled, minified and compressed code. */
  readonly bundled: number
  /** Of all files of its page, compressed. */
  readonly page?: number
}

/** About a fifth above the current sizes. */
const budgets: Readonly<Record<string, Budget>> = {
  core: { packed: 95_000, bundled: 22_000 },
  'adapter-kit': { packed: 60_000, bundled: 16_000 },
  'breaker-kit': { packed: 25_000, bundled: 8_000 },
  'rate-limit-kit': { packed: 20_000, bundled: 6_000 },
  dashboard: { packed: 105_000, bundled: 14_000, page: 60_000 },
  fleet: { packed: 80_000, bundled: 30_000 },
  client: { packed: 160_000, bundled: 50_000 },
  admin: { packed: 52_000, bundled: 17_000 },
}

/** Path of the tarball of a package. */
export function tarballOf({ manifest }: Package): string {
  return join(tarballFolder, `${manifest.name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`)
}

/** Packs a package. Needs the build. @throws Error with the output if that fails */
export async function packTarball({ folder, path }: Package): Promise<void> {
  await mkdir(tarballFolder, { recursive: true })
  const { code, output } = await runCommand('pnpm', ['pack', '--pack-destination', tarballFolder], { cwd: path })
  if (code !== 0) throw new Error(`${folder}: pnpm pack failed:\n${output}`)
}

/** Packs every package and checks the tarball. Needs the build. */
export async function checkTarballs(packages: readonly Package[]): Promise<GateResult> {
  await rm(tarballFolder, { recursive: true, force: true })
  await mkdir(tarballFolder, { recursive: true })
  const problems: string[] = []
  let checks = 0
  await forEachLimited(packages, 2, async (found) => {
    try {
      await packTarball(found)
    } catch (error) {
      problems.push((error as Error).message)
      return
    }
    // In this process: to start publint and attw for each package would take ten times as long.
    const packed = await readPacked(found)
    for (const check of [checkContent, checkManifest, checkTypes]) {
      checks++
      const problem = await check(packed)
      if (problem) problems.push(`${found.folder}: ${problem}`)
    }
    if (!budgets[found.folder]) return
    checks++
    const problem = await checkSize(found)
    if (problem) problems.push(`${found.folder}: ${problem}`)
  })
  // The service of esbuild would keep this process alive.
  await stop()
  return resultOf(checks, problems)
}

/** A packed package, with its files. */
interface Packed {
  readonly data: Buffer
  readonly archive: PackedArchive
}

async function readPacked(found: Package): Promise<Packed> {
  const data = await readFile(tarballOf(found))
  return { data, archive: createPackageFromTarballData(data) }
}

function checkContent({ archive }: Packed): string | undefined {
  const home = `/node_modules/${archive.packageName}/`
  const files = archive.listFiles().map((file) => file.replace(home, ''))
  const unwanted = files.filter((file) => /\.test\.|(?:^|\/)testing\/|\.tsbuildinfo/.test(file))
  if (unwanted.length > 0) return `the tarball has ${unwanted.join(', ')}`
  const missing = ['package.json', 'README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts'].filter(
    (file) => !files.includes(file),
  )
  if (missing.length > 0) return `the tarball lacks ${missing.join(', ')}`
  return files.some((file) => archive.readFile(home + file).includes(root)) ? 'the tarball has a path of this machine' : undefined
}

async function checkManifest({ data }: Packed): Promise<string | undefined> {
  const tarball = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer
  const { messages, pkg } = await publint({ pack: { tarball }, strict: true })
  const errors = messages.filter(({ type }) => type === 'error').map((message) => formatMessage(message, pkg, { color: false }))
  return errors.length === 0 ? undefined : `publint:\n${errors.join('\n')}`
}

/** What attw calls the profile `esm-only`: the ways to import that find types, apart from those without ES modules. */
async function checkTypes({ archive }: Packed): Promise<string | undefined> {
  const analysis = await checkPackage(archive)
  if (analysis.types === false) return 'attw: the tarball has no types'
  const problems = analysis.problems.filter(
    (problem) => !('resolutionKind' in problem && /^(?:node10|node16-cjs)$/.test(problem.resolutionKind)),
  )
  return problems.length === 0 ? undefined : `attw:\n${problems.map((problem) => JSON.stringify(problem)).join('\n')}`
}

async function checkSize(found: Package): Promise<string | undefined> {
  const budget = budgets[found.folder] as Budget
  const { size: packed } = await stat(tarballOf(found))
  if (packed > budget.packed) return `the tarball has ${packed} bytes, want at most ${budget.packed}`
  const { outputFiles } = await build({
    entryPoints: [join(found.path, 'dist/index.js')],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    write: false,
  })
  const bundled = gzipSync(outputFiles[0]?.contents ?? new Uint8Array()).length
  if (bundled > budget.bundled) return `the compressed bundle has ${bundled} bytes, want at most ${budget.bundled}`
  if (budget.page === undefined) return undefined
  const files = globSync('dist/web/*', { cwd: found.path })
  if (files.length === 0) return 'dist/web has no page'
  const page = files.reduce((sum, file) => sum + gzipSync(readFileSync(join(found.path, file)), { level: 9 }).length, 0)
  return page > budget.page ? `the compressed page has ${page} bytes, want at most ${budget.page}` : undefined
}
