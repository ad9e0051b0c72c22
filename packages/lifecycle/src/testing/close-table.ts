import { closeRows, measureClose } from './close-rows.ts'

// Prints the table of docs/reliability.md: how close() treats open work, on each runtime that is given as name=path.

const runtimes = process.argv.slice(2).map((argument) => argument.split('=') as [string, string])
process.stdout.write(
  `| open at SIGTERM | ${runtimes.map(([name]) => name).join(' | ')} |\n|---|${runtimes.map(() => '---|').join('')}\n`,
)
for (const row of closeRows) {
  const cells: string[] = []
  for (const [name, binary] of runtimes) {
    const isFor = row[1] !== 'Bun.serve' || name === 'Bun'
    const measured = isFor ? measureClose(binary, row) : undefined
    const cell = measured?.then(({ tookS, fate, code }) => `${tookS.toFixed(1)} s, ${fate}, ${code}`)
    cells.push((await cell?.catch((error: Error) => `failed: ${error.message}`)) ?? '–')
  }
  process.stdout.write(`| ${row[0]} | ${cells.join(' | ')} |\n`)
}
process.exit(0)
