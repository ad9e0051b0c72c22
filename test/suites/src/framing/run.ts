import { setTimeout as delay } from 'node:timers/promises'
import { type FramingCase, type FramingResult, framingCasesFor, runFramingCase, startFramingUpstream } from '@sd/testing'
import { gatewayPeers } from './gateway-peer.ts'
import { inProcess } from './in-process.ts'
import { nodePeers } from './node-peers.ts'
import type { Peer, Running } from './peer.ts'
import { serverPeers } from './server-peers.ts'

/**
 * Runs the framing suite of `@sd/testing` against the gateway and proxies of others, and prints what each of them lets through:
 * `node src/framing/run.ts [part of a proxy's name]`, with `--verbose` for the reasons.
 */
const [part = ''] = process.argv.slice(2).filter((one) => !one.startsWith('--'))
const verbose = process.argv.includes('--verbose')
const cells = new Map<string, Map<string, string>>()
const rules = new Map<string, FramingCase>()
const counts = new Map<string, Count>()

/** What a proxy did with the rows of its front. */
interface Count {
  rows: number
  kept: number
  reached: number
  next: number
  crashes: number
}

for (const peer of [...[...gatewayPeers, ...nodePeers].map(inProcess), ...serverPeers]) {
  if (peer.name.includes(part)) await runPeer(peer)
}
print()

async function runPeer(peer: Peer): Promise<void> {
  const upstream = await startFramingUpstream({ protocol: peer.upstream })
  let running = await peer.start(upstream.address)
  const column = `${peer.name}, ${peer.front}`
  if (typeof running === 'string') console.log(`${column}: skipped, because ${running}`)
  else {
    const count: Count = { rows: 0, kept: 0, reached: 0, next: 0, crashes: 0 }
    counts.set(column, count)
    for (const row of framingCasesFor(peer.front, peer.upstream)) {
      const result = await runFramingCase(row, { front: running.address, upstream, limitMs: 1_500 })
      // The end of a process is noticed a little later.
      if (!result.next) await delay(500)
      const crashed = running.hasCrashed?.() ?? false
      const cell = crashed ? 'crash' : describe(row, result)
      if (crashed) running = (await peer.start(upstream.address)) as Running
      record(count, column, row, cell)
      if (verbose && result.problems.length > 0) console.log(`${column}: ${row.name}: ${result.problems.join('; ')}`)
    }
    await running.close()
  }
  await upstream.close()
}

function record(count: Count, column: string, row: FramingCase, cell: string): void {
  rules.set(row.name, row)
  cells.set(row.name, (cells.get(row.name) ?? new Map<string, string>()).set(column, cell))
  count.rows += 1
  if (cell === '') count.kept += 1
  if (cell.includes('→')) count.reached += 1
  if (cell.includes('next')) count.next += 1
  if (cell === 'crash') count.crashes += 1
}

/** Empty if the row is kept. `→`: it reached the upstream in a form that it must not have. `next`: the next request was affected. Otherwise the response. */
function describe(row: FramingCase, { problems, responses, closed, seen }: FramingResult): string {
  if (problems.length === 0) return ''
  const answer = `${responses[0]?.status ?? (closed ? 'closed' : 'silent')}`
  const isForwarded = seen.some(({ complete }) => complete)
  const isNext = problems.some((problem) => /received the next request|next request gets|inside of a/.test(problem))
  return `${row.name.includes('response:') ? answer : isForwarded ? '→' : answer}${isNext ? ' next' : ''}`
}

function print(): void {
  const columns = [...counts.keys()]
  console.log(
    '\n| proxy and front | rows | kept | reached the upstream | affected the next request | ended the process |\n| --- | --: | --: | --: | --: | --: |',
  )
  for (const [column, { rows, kept, reached, next, crashes }] of counts) {
    console.log(`| ${column} | ${rows} | ${kept} | ${reached} | ${next} | ${crashes} |`)
  }
  for (const front of ['h1', 'h2'] as const) {
    const own = columns.filter((column) => column.endsWith(`, ${front}`))
    const rows = [...rules.values()].filter(
      (row) => row.front === front && own.some((column) => cells.get(row.name)?.get(column)),
    )
    if (rows.length === 0) continue
    console.log(`\n| row over ${front} | rule | ${own.map((column) => column.slice(0, -4)).join(' | ')} |`)
    console.log(`| --- | --- | ${own.map(() => '---').join(' | ')} |`)
    for (const row of rows) {
      const values = own.map((column) => cells.get(row.name)?.get(column) || '·')
      console.log(`| ${row.name.slice(4).replaceAll('|', '\\|')} | ${row.rule} | ${values.join(' | ')} |`)
    }
  }
}
