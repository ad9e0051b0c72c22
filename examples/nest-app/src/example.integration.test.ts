import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { testExample } from '@sd/example-shop/testing'

const file = (name: string): URL => new URL(name, import.meta.url)
const node = (name: string): readonly string[] => [process.execPath, fileURLToPath(file(`../dist/${name}`))]

// Decorators need a compiler: the same command as in package.json.
const cwd = fileURLToPath(file('..'))
await promisify(execFile)('node_modules/.bin/tsc', ['-p', '.', '--noEmit', 'false', '--outDir', 'dist'], { cwd }).catch(
  ({ stdout }: { readonly stdout: string }) => {
    throw new Error(stdout)
  },
)

await testExample({
  files: [[file('./before.ts'), file('./orders.ts')]],
  mostLines: 20,
  before: node('before.js'),
  main: node('main.js'),
  orders: node('orders.js'),
})
