import { fileURLToPath } from 'node:url'
import { testExample } from '@sd/example-shop/testing'
import { obtainRuntime } from '@sd/test-servers'

const runtime = await obtainRuntime('bun')
const file = (name: string): URL => new URL(name, import.meta.url)
const bun = (name: string): readonly string[] => [runtime, fileURLToPath(file(name))]

await testExample({
  files: [[file('./before.ts'), file('./orders.ts')]],
  mostLines: 15,
  mostLinesWithoutExtras: 10,
  before: bun('./before.ts'),
  main: bun('./main.ts'),
  orders: bun('./orders.ts'),
  runtime,
})
