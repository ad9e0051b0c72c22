import { type Contender, measurePaired } from '../paired.ts'
import { type Finding, formatRatio } from '../report.ts'
import { type SliceProcess, startSliceProcess } from '../slice-process.ts'
import { readers } from './readers.ts'

const rounds = 25

/** What reading a typed value costs, each reader in a process of its own. */
export async function benchReads(): Promise<readonly Finding[]> {
  const processes: SliceProcess[] = []
  try {
    const contenders: Contender[] = []
    for (const { name } of readers) {
      const started = await startSliceProcess(new URL('./reader-process.ts', import.meta.url), name)
      processes.push(started)
      contenders.push({ name, slice: started.slice })
    }
    const results = await measurePaired(contenders, rounds)
    return results.map((result, index) => {
      const limit = readers[index]?.limit
      return {
        subject: `read: ${result.name}`,
        measured: `${formatRatio(result)}, ${result.cost.toFixed(1)} ns`,
        ...(limit !== undefined && { goal: `≤ ${limit} ×`, met: result.ratio <= limit }),
      }
    })
  } finally {
    for (const started of processes) started.close()
  }
}
