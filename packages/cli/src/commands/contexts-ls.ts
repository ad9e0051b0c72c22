import type { ReadCommand } from '../command.ts'
import { readContexts } from '../contexts/contexts-file.ts'
import { describeUrl } from '../contexts/target.ts'
import { lines, styled, table } from '../output/view.ts'

/** `sdctl contexts ls`. */
export const contextsLs: ReadCommand = {
  isLocal: true,
  async run({ env }) {
    const { path, current, contexts } = await readContexts(env)
    const data = contexts.map(({ name, registry, config, lock, write }) => ({
      name,
      isCurrent: name === current,
      write,
      ...(registry && { registry: describeUrl(registry) }),
      ...(config && { config: describeUrl(config) }),
      ...(lock && { lock: describeUrl(lock) }),
    }))
    const columns = [
      { title: 'CONTEXT' },
      { title: 'REGISTRY' },
      { title: 'CONFIG', isOptional: true },
      { title: 'LOCK', isOptional: true },
      { title: 'MAY WRITE' },
    ]
    const rows = data.map((context) => [
      context.isCurrent ? styled('bold', `${context.name} (current)`) : context.name,
      context.registry ?? '',
      context.config ?? '',
      context.lock ?? '',
      context.write ? 'yes' : 'no',
    ])
    const footer = data.length > 0 ? path : `There are no contexts in ${path || 'a contexts file'}.`
    return {
      data: { path, contexts: data },
      view: [...(data.length > 0 ? [table(columns, rows)] : []), lines(styled('dim', footer))],
    }
  },
}
