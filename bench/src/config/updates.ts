import { createConfig, createMemoryConfigSource } from '@sd/config'
import { z } from 'zod'
import { longestBlock } from '../longest-block.ts'
import { quantile } from '../paired.ts'
import type { Finding } from '../report.ts'

const groups = 100
const entriesPerGroup = 10
const rounds = 50
const warmUp = 20

const schema = z.record(z.string(), z.record(z.string(), z.number()))

/** Measures the cost of an update of 1,000 entries, each a separate text, validated by a schema. */
export async function benchUpdates(): Promise<readonly Finding[]> {
  const keys = Array.from({ length: groups * entriesPerGroup }, (_, index) => {
    return `group-${index % groups}/value-${Math.floor(index / groups)}`
  })
  const source = createMemoryConfigSource({ entries: Object.fromEntries(keys.map((key, index) => [key, String(index)])) })
  const config = await createConfig({ sources: [source], schema, coalesceMs: 0 })
  const key = keys[0] as string

  async function change(value: number): Promise<void> {
    const changed = new Promise<void>((resolve) => {
      const end = config.onChange(key.replace('/', '.'), () => {
        end()
        resolve()
      })
    })
    await source.put(key, String(value))
    await changed
  }

  const rebuilds: number[] = []
  const updates: number[] = []
  const blocks: number[] = []
  for (let round = -warmUp; round < rounds; round++) {
    const rebuild = await elapsed(() => config.reload())
    const update = await elapsed(() => change(10_000 + 2 * round))
    const block = await longestBlock(async () => {
      await config.reload()
      await change(10_001 + 2 * round)
    })
    if (round < 0) continue
    rebuilds.push(rebuild)
    updates.push(update)
    blocks.push(block)
  }
  await config.close()
  await source.close()
  const block = Math.max(...blocks)
  return [
    { subject: 'full rebuild of 1,000 entries', measured: formatMs(rebuilds) },
    { subject: 'change of one of 1,000 entries, until a listener is called', measured: formatMs(updates) },
    {
      subject: 'longest block of the event loop, 50 full rebuilds and 50 changes of 1,000 entries',
      measured: `${block.toFixed(1)} ms; median of the rounds ${quantile(blocks, 0.5).toFixed(1)} ms`,
      goal: '≤ 10 ms',
      met: block <= 10,
    },
  ]
}

async function elapsed(run: () => Promise<void>): Promise<number> {
  const startedAt = performance.now()
  await run()
  return performance.now() - startedAt
}

function formatMs(times: readonly number[]): string {
  const [low, middle, high] = [quantile(times, 0.25), quantile(times, 0.5), quantile(times, 0.75)]
  return `${middle.toFixed(1)} ms (${low.toFixed(1)}–${high.toFixed(1)})`
}
