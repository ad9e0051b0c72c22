import { simulateMatrix } from './matrix.ts'

// pnpm simulate [rounds] [part of a scenario's description]
const [rounds = '1', part = ''] = process.argv.slice(2)
const startedAt = performance.now()
const { count, failures } = await simulateMatrix(Number(rounds), (description) => description.includes(part))
for (const [kind, found] of failures) {
  const shown = found.slice(0, part === '' ? 1 : 20)
  process.stdout.write(`${kind}: ${found.length}\n${shown.map((line) => `  ${line}\n`).join('')}`)
}
const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
process.stdout.write(`${count} scenarios in ${seconds} s, ${failures.size} kinds of failure\n`)
process.exitCode = failures.size > 0 ? 1 : 0
