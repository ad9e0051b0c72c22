import cluster from 'node:cluster'
import { followGatewayDocument } from '@sd/gateway-document'
import type { Command } from '../command-line.ts'
import { createEventLog } from '../event-log.ts'
import type { Output } from '../main.ts'
import { createPartLoader } from '../part-loader.ts'
import { parts } from '../parts.ts'
import { startAlone } from '../process/alone.ts'
import { startParent } from '../process/parent.ts'
import { runWorker } from '../process/worker.ts'

const signals = ['SIGTERM', 'SIGINT'] as const

/** Runs the gateway of a document until a signal. @returns 0 once it serves */
export async function run({ file }: Extract<Command, { kind: 'run' }>, { out, err }: Output): Promise<number> {
  if (cluster.isWorker) {
    await runWorker(file, createEventLog(err, { worker: cluster.worker?.id }), out)
    return 0
  }
  const log = createEventLog(err)
  const { workers, observe } = await readStart(file)
  const isAlone = workers === 1
  const running = isAlone
    ? await startAlone(file, log, out, signals)
    : await startParent({ exec: process.argv[1] ?? '', args: ['run', file], count: workers }, observe, log)
  process.on('SIGHUP', running.reload)
  for (const signal of signals) {
    process.once(signal, () => {
      log.info('draining', { signal })
      // Alone, the lifecycle of the gateway has the signal, too.
      if (!isAlone) void running.close(signal).then((isClean) => process.exit(isClean ? 0 : 1))
    })
  }
  log.info('started', { listeners: running.addresses, observe: running.observe, workers })
  return 0
}

/** What has to be known before the start, which reports the warnings. */
async function readStart(file: string) {
  await using document = await followGatewayDocument({ file, parts, load: createPartLoader(file).load })
  return document.current
}
