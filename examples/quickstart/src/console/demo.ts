import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { openConfigHistory } from '@sd/config-center'
import { untilAborted } from '@sd/core'
import { serveDashboard } from '@sd/dashboard'
import { createFleet } from '@sd/fleet'
import { createStaticRegistry } from '@sd/registry-static'
import type { ProcessPlan } from './messages.ts'
import { type DemoProcesses, startProcesses } from './processes.ts'

/** Options of {@link runConsoleDemo}. */
export interface ConsoleDemoOptions {
  /** Port of the page; 0 for a free one. */
  readonly port: number
  /** Time between two faults, in milliseconds. */
  readonly stepMs: number
  /** Ends the demonstration. */
  readonly signal: AbortSignal
  /** Receives each line of text. */
  readonly write: (text: string) => void
}

function instances(service: string, count: number, rest: Pick<ProcessPlan, 'needs' | 'rate'>): readonly ProcessPlan[] {
  return Array.from({ length: count }, (_, index) => ({ service, id: `${service}-${index + 1}`, version: '1.0.0', ...rest }))
}

const plans: readonly ProcessPlan[] = [
  ...instances('shop', 1, { needs: ['orders', 'stock'], rate: 30 }),
  ...instances('reports', 1, { needs: ['orders'], rate: 15 }),
  ...instances('orders', 3, { needs: ['stock'], rate: 0 }),
  ...instances('stock', 2, { needs: [], rate: 0 }),
]

const key = 'orders.yaml'

/**
 * Starts seven processes that call each other, and the dashboard. Then three things go wrong, one after the other: an instance
 * is unhealthy, an instance is slow, and a pushed value opens a breaker. The page shows each, and undoes the last.
 */
export async function runConsoleDemo({ port, stepMs, signal, write }: ConsoleDemoOptions): Promise<void> {
  await buildPage()
  const folder = await mkdtemp(join(tmpdir(), 'sd-console-'))
  const configFolder = join(folder, 'config')
  await mkdir(configFolder)
  try {
    await using opened = await openConfigHistory({ type: 'file', directory: configFolder, name: 'files' }, { key, author: 'ann' })
    const { history, source } = opened
    await history.put('stockTimeoutMs: 500\n', { comment: 'the first version' })
    const registryFile = join(folder, 'services.json')
    await using processes = await startProcesses(plans, { registryFile, configFolder })
    await using registry = createStaticRegistry({ file: registryFile, refreshIntervalMs: 500 })
    await using fleet = createFleet({ source: registry })
    await using dashboard = await serveDashboard({
      fleet,
      port,
      write: true,
      configs: [{ source, histories: { [key]: history } }],
      onCode: (code, url) => write(`\n  Open ${url} and log in with the code ${code}. It is valid for 60 seconds.\n\n`),
      onAudit: () => undefined,
    })
    write(`  ${plans.length} processes call each other. Their names are on the page. Ctrl-C ends everything.\n`)
    const pushed = async (): Promise<unknown> => history.put('stockTimeoutMs: 1\n', { author: 'bob', comment: 'fail early' })
    await goWrong({ processes, stepMs, signal, write, pushed })
    await untilAborted(signal)
    write(`\n  The end. ${dashboard.url} is closed.\n`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Faults extends Pick<ConsoleDemoOptions, 'stepMs' | 'signal' | 'write'> {
  readonly processes: DemoProcesses
  /** Pushes the value that opens breakers. */
  readonly pushed: () => Promise<unknown>
}

async function goWrong({ processes, stepMs, signal, write, pushed }: Faults): Promise<void> {
  const steps: readonly (readonly [text: string, act: () => unknown])[] = [
    [
      'stock-2 reports that it has no disk left. Why does it get no traffic? Services, stock',
      () => processes.setUnhealthy('stock-2', 'no disk'),
    ],
    ['orders-3 responds 150 ms later than the others. Which instance is slow? Overview', () => processes.slow('orders-3', 150)],
    ['bob pushes stockTimeoutMs: 1, and breakers open. Undo it: Configuration, orders.yaml, version 1', pushed],
  ]
  for (const [text, act] of steps) {
    const isOver = await delay(stepMs, false, { signal }).catch(() => true)
    if (isOver) return
    await act()
    write(`  ${text}\n`)
  }
}

/** Bundles the page, unless a build has done so. In a published package it is there. */
async function buildPage(): Promise<void> {
  const folder = dirname(createRequire(import.meta.url).resolve('@sd/dashboard/package.json'))
  if (existsSync(join(folder, 'dist', 'web', 'index.html'))) return
  await promisify(execFile)(process.execPath, ['web/build.mjs', 'dist/web'], { cwd: folder })
}
