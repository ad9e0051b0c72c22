import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { closeRows, measureClose } from './testing/close-rows.ts'

/** The cells of docs/reliability.md for a runtime, by the kind of open work. */
function readTable(runtime: string): ReadonlyMap<string, string> {
  const text = readFileSync(new URL('../../../docs/reliability.md', import.meta.url), 'utf8')
  const lines = text.slice(text.indexOf('| open at SIGTERM |')).split('\n')
  const cells = lines.slice(0, lines.indexOf('')).map((line) => line.split('|').map((cell) => cell.trim()))
  const column = cells[0]?.indexOf(runtime) ?? -1
  return new Map(cells.slice(2).map((row) => [row[1] as string, row[column] as string]))
}

describe('close() treats open work as docs/reliability.md says', () => {
  const documented = readTable('Node 24')
  const rows = closeRows.filter(([, kind]) => kind !== 'Bun.serve').map((row) => ({ what: row[0], row }))

  test('the table has every row', () => {
    expect([...documented.keys()]).toEqual(closeRows.map(([what]) => what))
  })

  // The times in the table are from one run. Here only the order of magnitude is compared.
  test.concurrent.each(rows)('$what', async ({ what, row }) => {
    const { tookS, fate, code } = await measureClose(process.execPath, row)
    expect(`${fate}, ${code}`).toBe(documented.get(what)?.replace(/^[\d.]+ s, /, ''))
    expect(tookS).toBeLessThan(9)
  })
})
