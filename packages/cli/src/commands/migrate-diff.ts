import type { ServiceInstance, ServiceSnapshot } from '@sd/core'
import type { CommandContext, CommandResult, ReadCommand } from '../command.ts'
import { describeUrl } from '../contexts/target.ts'
import { lines, styled, table } from '../output/view.ts'
import { compareInstances, type InstanceDifference } from '../services/compare-instances.ts'
import { countOf, readServices } from '../services/read-services.ts'

/** `sdctl migrate diff <url> <url>`: whether two registries have the same instances. */
export const migrateDiff: ReadCommand = {
  arguments: [
    { name: 'from', description: 'URL of the registry that is left' },
    { name: 'to', description: 'URL of the registry that replaces it' },
  ],
  options: [{ flags: '--service <name>', description: 'only this service; may be repeated', isRepeatable: true }],
  run: compare,
  watch: (context) => context.repeat(() => compare(context)),
}

async function compare(context: CommandContext): Promise<CommandResult> {
  const urls = [context.argument('from'), context.argument('to')] as const
  const [from, to] = await Promise.all([read(context, urls[0]), read(context, urls[1])])
  const labels = { from: describeUrl(urls[0]), to: describeUrl(urls[1]) }
  const names = [...new Set([...from.keys(), ...to.keys()])].sort()
  const services = names.map((name) => {
    const [before = [], after = []] = [from.get(name), to.get(name)]
    return { name, from: before.length, to: after.length, differences: compareInstances(before, after) }
  })
  const different = services.filter(({ differences }) => differences.length > 0)
  const rows = different.flatMap(({ name, differences }) => differences.map((one) => [name, one.id, ...describe(one)]))
  const columns = [
    { title: 'SERVICE' },
    { title: 'INSTANCE' },
    { title: 'DIFFERENCE' },
    { title: labels.from },
    { title: labels.to },
  ]
  const same = countOf(services.length - different.length, 'service')
  return {
    data: { ...labels, services },
    hasProblems: different.length > 0,
    view: [
      ...(rows.length > 0 ? [table(columns, rows)] : []),
      lines(styled('dim', `${labels.from} → ${labels.to} · ${same} the same, ${different.length} different`)),
    ],
  }
}

async function read(context: CommandContext, url: string): Promise<ReadonlyMap<string, readonly ServiceInstance[]>> {
  const source = await context.openSource(url)
  const wanted = context.list('service')
  const snapshots: readonly ServiceSnapshot[] =
    wanted.length > 0
      ? await Promise.all(wanted.map((name) => source.getInstances(name, { signal: context.signal })))
      : await readServices(source, context.signal)
  return new Map(snapshots.map(({ service, instances }) => [service, instances]))
}

function describe({ kind, field = '', from = '', to = '' }: InstanceDifference): readonly string[] {
  if (kind === 'only-from') return ['missing in the second', from, '']
  if (kind === 'only-to') return ['missing in the first', '', to]
  return [field, from, to]
}
