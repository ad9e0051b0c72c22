import { createServiceInstance, type InstanceSpec, invalidError } from '@sd/core'
import type { CommandContext, WriteCommand } from '../command.ts'
import { fields, lines, styled } from '../output/view.ts'
import { toInstanceData } from '../services/instance-data.ts'
import { describeInstance } from './instance.ts'

/** `sdctl register <service> …`: an instance for a program that can't register itself. */
export const register: WriteCommand = {
  writes: true,
  arguments: [{ name: 'service', description: 'name of the service' }],
  options: [
    { flags: '--address <host>', description: 'host name or address that callers can reach', isRequired: true },
    { flags: '--port <number>', description: 'port that callers can reach', isRequired: true },
    { flags: '--id <id>', description: 'id within the service; address:port otherwise' },
    { flags: '--protocol <name>', description: 'application protocol; http otherwise' },
    { flags: '--instance-version <version>', description: 'version of the software' },
    { flags: '--weight <number>', description: 'relative share of traffic; 1 otherwise' },
    { flags: '--tag <tag>', description: 'a label', isRepeatable: true },
    { flags: '--metadata <key=value>', description: 'a label with a value', isRepeatable: true },
    { flags: '--check <path>', description: 'path of an HTTP check, for registries and callers that check health' },
  ],
  async plan(context) {
    const spec = readSpec(context)
    const { label } = await context.target()
    const data = toInstanceData(createServiceInstance(spec))
    return {
      view: [
        lines(styled('bold', `Registers this instance with ${label} until the command ends:`)),
        fields(...describeInstance(data, context.now())),
      ],
      endsWithCommand: true,
      async apply({ openRegistry, reason, signal }) {
        const registration = await (await openRegistry()).register(spec, { signal })
        return {
          data: { registry: label, instance: toInstanceData(registration.instance), reason },
          view: [lines(`${registration.instance.id} of ${spec.service} is registered. Ctrl-C removes it.`)],
        }
      },
    }
  },
}

function readSpec(context: CommandContext): InstanceSpec {
  const optional = {
    id: context.option('id'),
    protocol: context.option('protocol'),
    version: context.option('instanceVersion'),
    weight: readNumber('--weight', context.option('weight')),
    healthCheck:
      context.option('check') === undefined ? undefined : { type: 'http' as const, path: context.option('check') ?? '' },
  }
  return {
    service: context.argument('service'),
    address: context.option('address') ?? '',
    port: readNumber('--port', context.option('port')) ?? 0,
    tags: context.list('tag'),
    metadata: readMetadata(context.list('metadata')),
    ...(Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)) as Partial<InstanceSpec>),
  }
}

function readNumber(field: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text)
  throw invalidError(field, text, 'a number')
}

function readMetadata(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, key, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? []
      if (key === undefined || value === undefined) throw invalidError('--metadata', pair, 'a pair such as team=orders')
      return [key, value]
    }),
  )
}
