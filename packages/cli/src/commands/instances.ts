import { SdError, type ServiceInstance, type Staleness } from '@sd/core'
import type { CommandContext, CommandResult, ReadCommand } from '../command.ts'
import { formatAge } from '../duration.ts'
import { lines, styled, table } from '../output/view.ts'
import { countHealth, describeHealth, describeStatus } from '../services/health.ts'
import { describeAddress, describeLocality, toInstanceData } from '../services/instance-data.ts'
import { describeStale, toStaleData } from '../services/stale.ts'

/** `sdctl instances <service>`: the instances of a service. */
export const instances: ReadCommand = {
  arguments: [{ name: 'service', description: 'name of the service' }],
  options: [{ flags: '--unhealthy', description: 'only instances that are not healthy' }],
  async run(context) {
    const source = await context.openSource()
    const service = context.argument('service')
    const found = (await source.getInstances(service, { signal: context.signal })).instances
    if (found.length === 0) throw new SdError('SD_NOT_FOUND', await describeMissing(context, service))
    return describe(context, service, found)
  },
  async *watch(context) {
    const source = await context.openSource()
    const service = context.argument('service')
    for await (const { value, stale } of source.watch(service, { signal: context.signal })) {
      yield await describe(context, service, value?.instances ?? [], stale)
    }
  },
}

/** A misspelt name is the usual reason, so it names services with a similar one. */
async function describeMissing(context: CommandContext, service: string): Promise<string> {
  const source = await context.openSource()
  const message = `${(await context.target()).label} has no instance of ${service}`
  if (!source.capabilities.listServices) return message
  const names = await source.listServices({ signal: context.signal })
  const similar = names.filter((name) => isSimilar(name, service)).slice(0, 3)
  return similar.length > 0 ? `${message}; there is ${similar.join(', ')}` : message
}

function isSimilar(one: string, other: string): boolean {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()]
  return a.includes(b) || b.includes(a) || (a.slice(0, 3) === b.slice(0, 3) && Math.abs(a.length - b.length) < 3)
}

async function describe(
  context: CommandContext,
  service: string,
  all: readonly ServiceInstance[],
  stale?: Staleness,
): Promise<CommandResult> {
  const { label } = await context.target()
  const now = context.now()
  const shown = context.flag('unhealthy') ? all.filter(({ health }) => health.status !== 'healthy') : all
  const data = shown.map(toInstanceData)
  const columns = [
    { title: 'INSTANCE' },
    { title: 'ADDRESS' },
    { title: 'HEALTH' },
    { title: 'VERSION' },
    { title: 'WEIGHT', align: 'right' as const },
    { title: 'AGE', align: 'right' as const, isOptional: true },
    { title: 'ZONE', isOptional: true },
    { title: 'TAGS', isOptional: true },
    { title: 'REASON' },
  ]
  const rows = data.map((instance) => [
    instance.id,
    describeAddress(instance),
    describeStatus(instance.health.status),
    instance.version ?? '',
    String(instance.weight),
    formatAge(now - instance.createdAt),
    describeLocality(instance),
    instance.tags.join(', '),
    instance.health.message ?? '',
  ])
  const counts = describeHealth(countHealth(all))
  const footer = [styled('dim', `${label} · ${service} · `), ...(Array.isArray(counts) ? counts : [counts])]
  return {
    data: { registry: label, service, instances: data, ...toStaleData(stale) },
    view: [...(rows.length > 0 ? [table(columns, rows)] : []), lines(footer, ...describeStale(stale, now))],
  }
}
