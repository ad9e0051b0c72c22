import { checkText, invalidError } from '@sd/core'
import type { AdminConfig } from '../controls.ts'
import { type Change, type ChangeRequest, type ChangeRoute, checkBody } from './change.ts'

const control = 'config'

/** `POST /config/reload`, `/config/set` and `/config/unset`: sources are read again, or values are overridden in memory. */
export const configRoutes: readonly ChangeRoute[] = [
  {
    path: ['config', 'reload'],
    control,
    action: 'config.reload',
    prepare({ controls, body }) {
      checkBody(body, [])
      return { target: 'config', run: (options) => (controls.config as AdminConfig).reload(options) }
    },
  },
  {
    path: ['config', 'set'],
    control,
    action: 'config.set',
    prepare(request) {
      checkBody(request.body, ['path', 'value'])
      const { value } = request.body
      if (value === undefined) throw invalidError('body.value', value, 'a JSON value')
      return change(request, (config, path) => config.set(path as never, value as never))
    },
  },
  {
    path: ['config', 'unset'],
    control,
    action: 'config.unset',
    prepare(request) {
      checkBody(request.body, ['path'])
      return change(request, (config, path) => config.unset(path as never))
    },
  },
]

function change({ controls, body }: ChangeRequest, run: (config: AdminConfig, path: string) => Promise<void>): Change {
  const config = controls.config as AdminConfig
  const path = checkText('body.path', body['path'], 1_024)
  return {
    target: path,
    // Masked by the configuration.
    before: config.explain(path).value,
    async run() {
      await run(config, path)
      return config.explain(path).value
    },
  }
}
