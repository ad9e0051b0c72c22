import type { Server } from 'node:http'
import type { Registrar } from '@sd/core' // +1
import { advertisedAddress, createLifecycle, type Lifecycle } from '@sd/lifecycle' // +2
import { createApp } from './app.ts'

/** Starts the app. Only the numbered lines were added to adopt it. */
export async function startServer(registrar: Registrar): Promise<{ readonly server: Server; readonly lifecycle: Lifecycle }> {
  const server = createApp().listen(0)
  const instance = { service: 'greetings', address: await advertisedAddress({ otherwise: 'loopback' }) } // +3
  const lifecycle = createLifecycle({ registrar, server, instance }) // +4
  await lifecycle.start() // +5
  return { server, lifecycle }
}
