import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FileResult } from '../list.ts'

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Folders of undici's repository that contain tests of requests. */
const folders = ['test', 'test/fetch', 'test/interceptors', 'test/node-test']

/** The test files of a checkout. */
export function findFiles(checkout: string): string[] {
  const files = folders.flatMap((folder) =>
    readdirSync(join(checkout, folder))
      .filter((name) => name.endsWith('.js'))
      .map((name) => `${folder}/${name}`),
  )
  return files.sort()
}

/** Runs one test file. With `SD_SUITE_BARE=1` no request goes through the client: a test that fails then does not fail because of the client. */
export function runFile(checkout: string, file: string): Promise<FileResult> {
  const args = [
    '--expose-gc',
    '--no-warnings',
    '--import',
    here('hooks.ts'),
    '--test-reporter',
    here('reporter.ts'),
    '--test-timeout=8000',
    file,
  ]
  const child = spawn(process.execPath, args, {
    cwd: checkout,
    env: { ...process.env, SD_UNDICI: checkout, NODE_OPTIONS: '' },
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
      resolve(readResult(output, code === null ? `ended by ${signal}` : undefined))
    })
  })
}

interface Line {
  readonly name: string
  readonly nesting: number
  readonly skip: boolean
  readonly error?: string
}

/** A test is reported after its subtests. Only tests without subtests are results. */
function readResult(output: string, crash: string | undefined): FileResult {
  const tests = new Map<string, string | undefined>()
  /** By nesting: results that wait for the name of their parent. */
  const pending: { path: string; error: string | undefined; skip: boolean }[][] = []
  for (const text of output.split('\n')) {
    if (!text.startsWith('{"name"')) continue
    const { name, nesting, skip, error } = JSON.parse(text) as Line
    const inner = pending[nesting + 1]
    pending[nesting + 1] = []
    const own = inner?.length ? inner.map((one) => ({ ...one, path: `${name} > ${one.path}` })) : [{ path: name, error, skip }]
    pending[nesting] ??= []
    pending[nesting].push(...own)
  }
  for (const { path, error, skip } of pending[0] ?? []) {
    if (skip) continue
    let unique = path
    for (let count = 2; tests.has(unique); count++) unique = `${path} (${count})`
    tests.set(unique, error)
  }
  return { tests, crash }
}
