import { checkName, invalidError } from '@sd/core'
import type { AdminLogger } from '../controls.ts'
import { type ChangeRoute, checkBody } from './change.ts'

/** `POST /log-level`: sets the level of the logger that was handed over. */
export const logLevelRoute: ChangeRoute = {
  path: ['log-level'],
  control: 'log-level',
  action: 'log-level.set',
  prepare({ controls, body }) {
    checkBody(body, ['level'])
    const logger = controls.logging as AdminLogger
    const level = checkName('body.level', body['level'], 20)
    return {
      target: 'logging',
      before: logger.level,
      run() {
        try {
          logger.level = level
        } catch {
          throw invalidError('body.level', level, 'a level of the logger')
        }
        return logger.level
      },
    }
  },
}
