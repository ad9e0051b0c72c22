import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { quantile } from './paired.ts'
import type { Finding } from './report.ts'

const coreFolder = fileURLToPath(new URL('../../packages/core', import.meta.url))
const runs = 15

/** CPU time of a new process that imports a module, in milliseconds. */
function importCpu(module: string): number {
  const program = `await import(${JSON.stringify(module)}); const { user, system } = process.cpuUsage(); process.stdout.write(String((user + system) / 1000))`
  return Number(execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }))
}

/** Measures the cost of importing and installing core. Needs the build. */
export async function benchCore(): Promise<readonly Finding[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sd-bench-'))
  try {
    const empty = join(folder, 'empty.js')
    writeFileSync(empty, '')
    const built = pathToFileURL(join(coreFolder, 'dist/index.js')).href
    const differences = Array.from({ length: runs }, () => importCpu(built) - importCpu(pathToFileURL(empty).href))
    const cpu = quantile(differences, 0.5)
    execFileSync('pnpm', ['pack', '--pack-destination', folder], { cwd: coreFolder, stdio: 'ignore' })
    const size = statSync(join(folder, 'sd-core-1.0.0.tgz')).size / 1_000
    return [
      {
        subject: 'CPU to import core, against an empty module',
        measured: `${cpu.toFixed(1)} ms`,
        goal: '≤ 10 ms',
        met: cpu <= 10,
      },
      { subject: 'core packed', measured: `${size.toFixed(0)} KB`, goal: '≤ 100 KB', met: size <= 100 },
    ]
  } finally {
    rmSync(folder, { recursive: true })
  }
}
