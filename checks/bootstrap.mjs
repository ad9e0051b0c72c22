// Runs one of the project's programs on a machine with only npm and some Node: installs the dependencies with the pinned pnpm,
// including the pinned Node, and runs the program with that Node. Plain JavaScript, because any Node version must run this file.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const oldest = 20
const root = fileURLToPath(new URL('..', import.meta.url))
const [program, ...args] = process.argv.slice(2)
const { packageManager } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))

if (Number(process.versions.node.split('.')[0]) < oldest) {
  console.error(`Node ${process.versions.node} is too old to install the dependencies: use Node ${oldest} or newer`)
  process.exit(1)
}

/** Runs the pinned pnpm. With `quiet` its output is collected. */
function pnpm(words, { quiet }) {
  const child = spawn('npx', ['--yes', packageManager, ...words], {
    cwd: root,
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit',
    shell: process.platform === 'win32',
  })
  let output = ''
  child.stdout?.on('data', (chunk) => (output += chunk))
  child.stderr?.on('data', (chunk) => (output += chunk))
  const forward = (signal) => child.kill(signal)
  process.on('SIGINT', forward).on('SIGTERM', forward)
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: 1, output: `${output}${error.message}\n` }))
    child.on('close', (code, signal) => {
      process.off('SIGINT', forward).off('SIGTERM', forward)
      resolve({ code: code ?? (signal === 'SIGINT' ? 130 : 143), output })
    })
  })
}

const installed = await pnpm(['install', '--frozen-lockfile'], { quiet: true })
if (installed.code !== 0) {
  console.error(`${installed.output}\nThe dependencies could not be installed.`)
  process.exit(installed.code)
}
const { code } = await pnpm(['exec', 'node', program, ...args], { quiet: false })
process.exit(code)
