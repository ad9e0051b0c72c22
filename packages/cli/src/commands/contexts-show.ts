import { invalidError } from '@sd/core'
import type { ReadCommand } from '../command.ts'
import { readContexts } from '../contexts/contexts-file.ts'
import { describeUrl } from '../contexts/target.ts'
import { fields } from '../output/view.ts'

/** `sdctl contexts show [name]`. Credentials in URLs, and the program of the token, are left out. */
export const contextsShow: ReadCommand = {
  isLocal: true,
  arguments: [{ name: 'name', description: 'name of the context; the current one otherwise', isOptional: true }],
  async run(context) {
    const { contexts, current } = await readContexts(context.env)
    const name = context.argument('name') || (context.option('context') ?? current)
    const found = contexts.find((one) => one.name === name)
    if (!found) throw invalidError('name', name, contexts.map((one) => one.name).join(', ') || 'a context in the contexts file')
    const data = {
      name: found.name,
      isCurrent: found.name === current,
      write: found.write,
      hasAdminToken: found.adminToken !== undefined,
      ...(found.registry && { registry: describeUrl(found.registry) }),
      ...(found.config && { config: describeUrl(found.config) }),
      ...(found.lock && { lock: describeUrl(found.lock) }),
    }
    return {
      data,
      view: [
        fields(
          ['context', data.name],
          ['current', data.isCurrent ? 'yes' : 'no'],
          ['registry', data.registry ?? ''],
          ['config', data.config ?? ''],
          ['lock', data.lock ?? ''],
          ['admin token', data.hasAdminToken ? 'from a program' : ''],
          ['may write', data.write ? 'yes' : 'no'],
        ),
      ],
    }
  },
}
