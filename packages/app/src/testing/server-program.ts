import { createServer } from 'node:http'
import type { Registration, Registry } from '@sd/core'
import { createMetrics } from '@sd/metrics-prometheus'
import { createMemoryRegistry } from '@sd/registry-memory'
import { createApp } from '../index.ts'
import { serverKinds } from './server-kinds.ts'

// A service in a process of its own, for tests on several runtimes: its kind of server is its argument. It prints what it registers.

const [kind = ''] = process.argv.slice(2)

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** A registry that prints registrations, so that the test registers them where callers look. */
function createPrintingRegistry(): Registry {
  const registry = createMemoryRegistry()
  async function register(...values: Parameters<Registry['register']>): Promise<Registration> {
    const made = await registry.register(...values)
    const { id, port, protocol } = made.instance
    say(`registered ${JSON.stringify({ id, port, protocol })}`)
    async function deregister(): Promise<void> {
      await made.deregister()
      say('deregistered')
    }
    return Object.create(made, { deregister: { value: deregister } }) as Registration
  }
  return Object.create(registry, { register: { value: register } }) as Registry
}

const app = await createApp({
  service: 'orders',
  registry: createPrintingRegistry(),
  instance: { address: '127.0.0.1' },
  metrics: createMetrics(),
  lifecycle: { propagationDelayMs: 300 },
  onClose: [() => say('onClose')],
})
if (kind === 'never listens') {
  say('starting')
  await app.start(createServer())
  say(`started: ${app.state}`)
} else {
  await app.start(...(await (serverKinds[kind] as NonNullable<(typeof serverKinds)[string]>)(app)))
  say(`started: ${app.state}`)
}
