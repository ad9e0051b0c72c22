import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { contenders } from './contenders.ts'
import { Fleet } from './fleet.ts'
import { type ChaosCall, type ChaosResult, judge } from './judge.ts'
import { renderChaos } from './render.ts'
import { fleetSize, runTimeline } from './timeline.ts'

/** From this rate on contenders run one after the other: together they would measure the load of the machine. */
const alternateFrom = 500

/**
 * `pnpm bench chaos`: the same faults for each contender, open loop; reports the worst of all seeds.
 *
 * @param argv `--quick` for one seed at 100 calls per second, about two minutes; `--seeds 10`, `--rps 100,1000`, `--only name`
 */
export async function benchChaos(argv: readonly string[]): Promise<string> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: 'boolean', default: false },
      seeds: { type: 'string', default: '10' },
      rps: { type: 'string', default: '100,1000' },
      only: { type: 'string', default: '' },
    },
  })
  const seeds = values.quick ? 1 : Number(values.seeds)
  const rates = values.quick ? [100] : values.rps.split(',').map(Number)
  const chosen = contenders.filter(({ name }) => name.includes(values.only))
  const sections: string[] = []
  for (const rate of rates) {
    const results = new Map<string, ChaosResult[]>()
    const groups = rate < alternateFrom ? [chosen] : chosen.map((contender) => [contender])
    for (let seed = 1; seed <= seeds; seed++) {
      for (const group of groups) {
        process.stderr.write(`${rate}/s, seed ${seed}: ${group.map(({ name }) => name).join(', ')} …\n`)
        const judged = await runOnce({ names: group.map(({ name }) => name), rate, seed, calmMs: values.quick ? 20_000 : 30_000 })
        for (const [name, result] of judged) results.set(name, [...(results.get(name) ?? []), result])
      }
    }
    sections.push(renderChaos(rate, results))
  }
  const setups = chosen.map(({ name, setup }) => `- ${name}: ${setup}`)
  return [...sections, 'Set-ups:', ...setups].join('\n')
}

interface Run {
  readonly names: readonly string[]
  readonly rate: number
  readonly seed: number
  readonly calmMs: number
}

async function runOnce({ names, rate, seed, calmMs }: Run): Promise<ReadonlyMap<string, ChaosResult>> {
  const folder = await mkdtemp(join(tmpdir(), 'sd-chaos-'))
  const file = join(folder, 'services.json')
  const fleet = new Fleet(file)
  const callers: ChildProcess[] = []
  try {
    await fleet.start(fleetSize)
    for (const name of names) {
      callers.push(
        fork(new URL('./contender-process.ts', import.meta.url), [name, file, String(rate), String(seed)], {
          stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
          serialization: 'advanced',
        }),
      )
    }
    await Promise.all(callers.map((caller) => once(caller, 'message')))
    // Time for connections, and for the compilation of code.
    await new Promise((resolve) => setTimeout(resolve, 4_000))
    const phases = await runTimeline(fleet, calmMs)
    const results = new Map<string, ChaosResult>()
    for (const [index, caller] of callers.entries()) {
      caller.send('stop')
      const [calls] = (await once(caller, 'message')) as [readonly ChaosCall[]]
      results.set(names[index] as string, judge(calls, phases))
    }
    return results
  } finally {
    for (const caller of callers) caller.kill('SIGKILL')
    await fleet.close()
    await rm(folder, { recursive: true, force: true })
  }
}
