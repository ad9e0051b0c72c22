import { serveSlices } from '../slice-process.ts'
import { createLoop, readers } from './readers.ts'

// One reader in a separate process: reads of another one would make its properties megamorphic.
const [name = ''] = process.argv.slice(2)
const reader = readers.find((one) => one.name === name)
if (!reader) throw new Error(`Unknown reader ${name}`)
const reads = 20_000_000
const read = await reader.create()
const loop = createLoop()

function cpuMs(run: (count: number) => number): number {
  const before = process.cpuUsage()
  // Every 64 reads return 0 to 63.
  if (run(reads) !== (reads * 63) / 2) throw new Error(`${name} read wrong values: the run is invalid`)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}

// In nanoseconds, without the cost of the loop, which would hide the differences.
serveSlices(() => ((cpuMs(read) - cpuMs(loop)) * 1_000_000) / reads)
