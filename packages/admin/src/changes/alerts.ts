import { checkBoolean, checkDuration, checkName, checkObject } from '@sd/core'
import type { AdminAlerts } from '../controls.ts'
import { type ChangeRoute, checkBody, checkSegment, notFound } from './change.ts'

const control = 'alerts'

/** `POST /alerts/silences`, `/alerts/silences/{id}/expire` and `/alerts/rules/{name}`. */
export const alertRoutes: readonly ChangeRoute[] = [
  {
    path: ['alerts', 'silences'],
    control,
    action: 'alerts.silence',
    prepare({ controls, body, reason, by }) {
      checkBody(body, ['rule', 'labels', 'durationMs'])
      const rule = body['rule'] === undefined ? undefined : checkName('body.rule', body['rule'])
      const labels = body['labels'] === undefined ? undefined : checkObject('body.labels', body['labels'])
      const durationMs = checkDuration('body.durationMs', body['durationMs'], 1)
      return {
        target: rule ?? 'labels',
        run: () =>
          (controls.alerts as AdminAlerts).silence({
            ...(rule !== undefined && { rule }),
            ...(labels && { labels: labels as Readonly<Record<string, string>> }),
            durationMs,
            comment: `${reason} (${by})`,
          }),
      }
    },
  },
  {
    path: ['alerts', 'silences', '*', 'expire'],
    control,
    action: 'alerts.expire-silence',
    prepare({ controls, segments, body }) {
      checkBody(body, [])
      const id = checkSegment('id', segments[0])
      return {
        target: id,
        run() {
          if (!(controls.alerts as AdminAlerts).expireSilence(id)) throw notFound(`The silence ${id}`)
        },
      }
    },
  },
  {
    path: ['alerts', 'rules', '*'],
    control,
    action: 'alerts.rule',
    prepare({ controls, segments, body }) {
      checkBody(body, ['enabled'])
      const alerts = controls.alerts as AdminAlerts
      const name = checkSegment('rule', segments[0])
      const enabled = checkBoolean('body.enabled', body['enabled'])
      const rule = alerts.state().rules.find((one) => one.name === name)
      if (!rule) throw notFound(`The rule ${name}`)
      return {
        target: name,
        before: { enabled: rule.enabled ?? true },
        run() {
          alerts.enableRule(name, enabled)
          return { enabled }
        },
      }
    },
  },
]
