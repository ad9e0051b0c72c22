import { type ReadOnlyRegistry, SdError, type ServiceInstance } from '@sd/core'
import type { CommandContext, CommandResult, ReadCommand } from '../command.ts'
import { formatAge } from '../duration.ts'
import { fields, type Line, lines, styled } from '../output/view.ts'
import { describeStatus } from '../services/health.ts'
import { describeAddress, describeLocality, type InstanceData, toInstanceData } from '../services/instance-data.ts'

/** `sdctl instance <service> <id>`: everything that the registry has about an instance. */
export const instance: ReadCommand = {
  arguments: [
    { name: 'service', description: 'name of the service' },
    { name: 'id', description: 'id of the instance, as in sdctl instances' },
  ],
  async run(context) {
    return show(await context.openSource(), context)
  },
  async *watch(context) {
    const source = await context.openSource()
    yield* context.repeat(() => show(source, context))
  },
}

async function show(source: ReadOnlyRegistry, context: CommandContext): Promise<CommandResult> {
  const found = toInstanceData(await findInstance(source, context))
  const { label } = await context.target()
  return {
    data: { registry: label, instance: found },
    view: [fields(...describeInstance(found, context.now())), lines(styled('dim', label))],
  }
}

/** Finds the instance that the arguments name. @throws SdError `SD_NOT_FOUND` */
export async function findInstance(source: ReadOnlyRegistry, context: CommandContext): Promise<ServiceInstance> {
  const [service, id] = [context.argument('service'), context.argument('id')]
  const found = await source.getInstance(service, id, { signal: context.signal })
  if (found) return found
  const { label } = await context.target()
  throw new SdError('SD_NOT_FOUND', `${label} has no instance ${id} of ${service}; sdctl instances ${service} lists them`)
}

/** Labels and values of an instance. */
export function describeInstance(found: InstanceData, now: number): readonly (readonly [label: string, value: Line])[] {
  const { health, healthCheck, ttlMs } = found
  const check = [healthCheck?.type ?? '', healthCheck?.path ?? '']
  if (healthCheck?.intervalMs) check.push(`every ${healthCheck.intervalMs} ms`)
  return [
    ['instance', styled('bold', found.id)],
    ['service', found.service],
    ['address', describeAddress(found)],
    ['protocol', found.protocol],
    ['ports', list(found.ports)],
    ['version', found.version ?? ''],
    ['health', [describeStatus(health.status), health.message ? `: ${health.message}` : '']],
    ['checked', `${formatAge(now - health.checkedAt)} ago`],
    ...Object.entries(health.details ?? {}).map(([name, detail]) => [`  ${name}`, detail] as const),
    ['check', check.filter(Boolean).join(' ')],
    ['weight', String(found.weight)],
    ['priority', String(found.priority)],
    ['zone', describeLocality(found)],
    ['tags', found.tags.join(', ')],
    ['metadata', list(found.metadata)],
    ['lease', ttlMs === undefined ? '' : `${ttlMs} ms`],
    ['registered', `${formatAge(now - found.createdAt)} ago`],
    ['changed', `${formatAge(now - found.updatedAt)} ago`],
  ]
}

function list(values: Readonly<Record<string, unknown>> = {}): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ')
}
