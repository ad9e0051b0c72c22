import { type ReadOnlyRegistry, SdError } from '@sd/core'
import type { CommandContext } from '../command.ts'
import { countOf } from '../services/read-services.ts'
import type { DoctorCheck, Finding } from './check.ts'

/** The registry: whether it answers, how quickly, and what may be done. */
export const registryCheck: DoctorCheck = {
  name: 'registry',
  async run(context) {
    const saved = await context.savedContext()
    if (!saved && context.registryOption === undefined && !context.env['SD_REGISTRY']) {
      return [{ level: 'warning', text: 'no registry is chosen', next: 'sdctl doctor --registry consul://127.0.0.1:8500' }]
    }
    const { label } = await context.target()
    const source = await context.openSource()
    const startedAt = performance.now()
    await source.ping({ signal: context.signal })
    const tookMs = Math.max(1, Math.round(performance.now() - startedAt))
    const mayChange = saved?.write ? `commands may change it (context ${saved.name})` : 'commands may only read it'
    const can = source.capabilities.register ? 'can register instances' : 'is read-only'
    return [
      { level: 'fine', text: `${label} answers in ${tookMs} ms, ${can}; ${mayChange}` },
      await checkList(source, context, label),
    ]
  },
}

async function checkList(source: ReadOnlyRegistry, { signal }: CommandContext, label: string): Promise<Finding> {
  if (!source.capabilities.listServices)
    return { level: 'fine', text: `${label} can't list services: name the service in commands` }
  try {
    const services = await source.listServices({ signal })
    return { level: 'fine', text: `${label} lists ${countOf(services.length, 'service')}` }
  } catch (error) {
    if (error instanceof SdError && error.code === 'SD_DENIED') {
      return { level: 'problem', text: `${label} does not let this user list services: ${error.message}` }
    }
    throw error
  }
}
