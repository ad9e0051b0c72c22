import { type Contender, type Generation, measureGenerations } from '../paired.ts'
import { type Finding, formatRatio, judgeRatio } from '../report.ts'
import { type SliceProcess, startSliceProcess } from '../slice-process.ts'
import { readers } from './readers.ts'

const generations = 7
const rounds = 5
/** Time limit, in milliseconds. */
const maxMs = 120_000

/** Measures the cost of reading a typed value, each reader in a separate process. */
export async function benchReads(): Promise<readonly Finding[]> {
  const results = await measureGenerations(startReaders, { generations, rounds, maxMs })
  return results.map((result, index) => {
    const limit = readers[index]?.limit
    return {
      subject: `read: ${result.name}`,
      measured: `${formatRatio(result)}, ${result.cost.toFixed(1)} ns`,
      ...(limit !== undefined && judgeRatio(result, limit)),
    }
  })
}

async function startReaders(): Promise<Generation> {
  const processes: SliceProcess[] = []
  const contenders: Contender[] = []
  for (const { name } of readers) {
    const started = await startSliceProcess(new URL('./reader-process.ts', import.meta.url), name)
    processes.push(started)
    contenders.push({ name, slice: started.slice })
  }
  return {
    contenders,
    close() {
      for (const started of processes) started.close()
    },
  }
}
