import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build, stop } from 'esbuild'
import { forEachLimited, type GateResult, resultOf, root, runCommand } from './gate.ts'
import type { Package } from './workspace.ts'

/** Folder of the tarballs, also for the install test. */
const tarballFolder = join(root, '.cache', 'tarballs')

/** Maximum sizes in bytes: of the tarball, and of the bundled, minified and compressed code. About a fifth above the current sizes. */
const budgets: Readonly<Record<string, { readonly packed: number; readonly bundled: number }>> = {
  core: { packed: 95_000, bundled: 22_000 },
  'adapter-kit': { packed: 60_000, bundled: 16_000 },
  'breaker-kit': { packed: 25_000, bundled: 8_000 },
  'rate-limit-kit': { packed: 20_000, bundled: 6_000 },
  client: { packed: 160_000, bundled: 50_000 },
}

/** Path of the tarball of a package. */
export function tarballOf({ manifest }: Package): string {
  return join(tarballFolder, `${manifest.name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`)
}

/** Packs every package and checks the tarball. Needs the build. */
export async function checkTarballs(packages: readonly Package[]): Promise<GateResult> {
  await rm(tarballFolder, { recursive: true, force: true })
  await mkdir(tarballFolder, { recursive: true })
  const problems: string[] = []
  let checks = 0
  await forEachLimited(packages, 2, async (found) => {
    const packed = await runCommand('pnpm', ['pack', '--pack-destination', tarballFolder], { cwd: found.path })
    if (packed.code !== 0) {
      problems.push(`${found.folder}: pnpm pack failed:\n${packed.output}`)
      return
    }
    for (const check of [checkContent, checkPublint, checkTypes]) {
      checks++
      const problem = await check(found)
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

async function checkContent(found: Package): Promise<string | undefined> {
  const { output } = await runCommand('tar', ['-tzf', tarballOf(found)])
  const files = output.trim().split('\n')
  const unwanted = files.filter((file) => /\.test\.|\/testing\/|\.tsbuildinfo/.test(file.replace(/^package\//, '')))
  if (unwanted.length > 0) return `the tarball has ${unwanted.join(', ')}`
  const missing = ['package.json', 'README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts'].filter(
    (file) => !files.includes(`package/${file}`),
  )
  if (missing.length > 0) return `the tarball lacks ${missing.join(', ')}`
  const text = (await runCommand('tar', ['-xzOf', tarballOf(found)])).output
  return text.includes(root) ? 'the tarball has a path of this machine' : undefined
}

async function checkPublint(found: Package): Promise<string | undefined> {
  const { code, output } = await runCommand('publint', ['run', tarballOf(found), '--strict'])
  return code === 0 ? undefined : `publint:\n${output}`
}

async function checkTypes(found: Package): Promise<string | undefined> {
  const { code, output } = await runCommand('attw', [
    tarballOf(found),
    '--profile',
    'esm-only',
    '--format',
    'ascii',
    '--no-color',
  ])
  return code === 0 ? undefined : `attw:\n${output}`
}

async function checkSize(found: Package): Promise<string | undefined> {
  const budget = budgets[found.folder] as { readonly packed: number; readonly bundled: number }
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
  return bundled > budget.bundled ? `the compressed bundle has ${bundled} bytes, want at most ${budget.bundled}` : undefined
}
