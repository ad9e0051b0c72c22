import { fileURLToPath } from 'node:url'
import { testExample } from '@sd/example-shop/testing'

const file = (name: string): URL => new URL(name, import.meta.url)
const node = (name: string): readonly string[] => [process.execPath, fileURLToPath(file(name))]

await testExample({
  files: [[file('./before.ts'), file('./orders.ts')]],
  mostLines: 15,
  mostLinesWithoutExtras: 10,
  before: node('./before.ts'),
  main: node('./main.ts'),
  orders: node('./orders.ts'),
})
