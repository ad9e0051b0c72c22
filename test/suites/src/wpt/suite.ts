import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FileResult, Suite } from '../list.ts'
import { exclusions, outOfScope } from './reasons.ts'

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

let port = ''

/** The fetch tests of web-platform-tests, with `client.fetch` as `fetch`. */
export const wptSuite: Suite = {
  name: 'wpt',
  variable: 'SD_WPT',
  findFiles: (checkout) => list(checkout, 'fetch').sort(),
  runFile,
  outOfScope,
  exclusions,
  async start(checkout) {
    const python = process.env['SD_PYTHON'] ?? 'python3'
    const server = spawn(python, [here('serve.py'), checkout], { stdio: ['pipe', 'pipe', 'inherit'] })
    const [first] = (await once(server.stdout, 'data')) as [Buffer]
    port = String(first).trim()
    return async () => {
      server.stdin.end()
      const timer = setTimeout(() => server.kill('SIGKILL'), 5_000)
      if (server.exitCode === null) await once(server, 'exit')
      clearTimeout(timer)
    }
  },
}

function list(checkout: string, folder: string): string[] {
  return readdirSync(join(checkout, folder)).flatMap((name) => {
    const path = `${folder}/${name}`
    if (statSync(join(checkout, path)).isDirectory()) return list(checkout, path)
    return name.endsWith('.any.js') ? [path] : []
  })
}

function runFile(checkout: string, file: string): Promise<FileResult> {
  const child = spawn(process.execPath, ['--expose-gc', '--no-warnings', here('page.ts'), checkout, file, port], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    output += chunk
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), 45_000)
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const tests = new Map<string, string | undefined>()
      for (const line of output.split('\n')) {
        if (!line.startsWith('{"name"')) continue
        const { name: told, error } = JSON.parse(line) as { name: string; error?: string }
        // The port differs each time.
        const name = told.replaceAll(`:${port}`, '')
        tests.set(tests.has(name) ? `${name} (${tests.size})` : name, error)
      }
      const crash = signal ? `was ended by ${signal}` : undefined
      // A page that does not finish has no results: the whole file has failed.
      if (tests.size === 0) tests.set('the file', `no results${code ? `, exit code ${code}` : ''}`)
      resolve({ tests, crash })
    })
  })
}
