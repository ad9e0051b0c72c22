import { type Contender, measurePaired, type PairedResult, quantile } from '../paired.ts'
import { type Finding, formatRatio } from '../report.ts'
import { type SliceProcess, startSliceProcess } from '../slice-process.ts'
import { readers } from './readers.ts'

/** So many times every reader has a new process: what one process makes of its code and heap shifts the figure more than the noise does. */
const generations = 7
const rounds = 5

/** What reading a typed value costs, each reader in a process of its own. */
export async function benchReads(): Promise<readonly Finding[]> {
  const runs: (readonly PairedResult[])[] = []
  for (let generation = 0; generation < generations; generation++) runs.push(await runReaders())
  return readers.map(({ name, limit }, index) => {
    const results = runs.map((run) => run[index] as PairedResult)
    const ratios = results.map(({ ratio }) => ratio)
    const ratio = quantile(ratios, 0.5)
    const cost = quantile(
      results.map((result) => result.cost),
      0.5,
    )
    return {
      subject: `read: ${name}`,
      measured: `${formatRatio({ ratio, spread: [quantile(ratios, 0.25), quantile(ratios, 0.75)] })}, ${cost.toFixed(1)} ns`,
      ...(limit !== undefined && { goal: `≤ ${limit} ×`, met: ratio <= limit }),
    }
  })
}

async function runReaders(): Promise<readonly PairedResult[]> {
  const processes: SliceProcess[] = []
  try {
    const contenders: Contender[] = []
    for (const { name } of readers) {
      const started = await startSliceProcess(new URL('./reader-process.ts', import.meta.url), name)
      processes.push(started)
      contenders.push({ name, slice: started.slice })
    }
    return await measurePaired(contenders, rounds)
  } finally {
    for (const started of processes) started.close()
  }
}
