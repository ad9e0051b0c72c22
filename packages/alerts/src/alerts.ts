import {
  answerInquiries,
  checkFunction,
  createNotifier,
  guardListener,
  publishTelemetry,
  SdError,
  sleep,
  toSdError,
  withTimeout,
} from '@sd/core'
import { type ActiveRules, createActiveRules } from './active-rules.ts'
import type { Alert, AlertState } from './alert.ts'
import { type AlertsStatus, answerAlerts } from './alerts-status.ts'
import { createNotifications } from './notifications.ts'
import { type AlertsOptions, resolveAlertsOptions } from './options.ts'
import { readSamples } from './read-samples.ts'
import type { AlertRule } from './rule.ts'
import { createSilences, type Silence, type SilenceOptions } from './silences.ts'

/** Receives a state change; `previous` is `undefined` for an alert that was inactive. */
export type AlertListener = (alert: Alert, previous: AlertState | undefined) => void

/** Evaluates alert rules and notifies channels. */
export interface Alerts extends AsyncDisposable {
  /** Current state of rules, alerts and channels. */
  state(): AlertsStatus
  /** Evaluates the rules now, in addition to the interval. Never rejects: failures go to `onError`, and alerts do not change. */
  evaluate(): Promise<void>
  /**
   * Replaces all rules, or none if one is invalid. An unchanged rule keeps its alerts; alerts of other rules end.
   *
   * @throws SdError `SD_INVALID` that names the field
   */
  setRules(rules: readonly AlertRule[]): void
  /** Adds a rule. @throws SdError `SD_INVALID` that names the field */
  addRule(rule: AlertRule): void
  /** Removes a rule; its alerts end. @returns whether it existed */
  removeRule(name: string): boolean
  /** Enables or disables a rule; alerts of a disabled rule end. @returns whether it exists */
  enableRule(name: string, isEnabled: boolean): boolean
  /** Suppresses notifications about matching alerts. @throws SdError `SD_INVALID` that names the option, `SD_TOO_LARGE` for too many silences */
  silence(options: SilenceOptions): Silence
  /** Silences that have not ended. */
  silences(): readonly Silence[]
  /** Ends a silence; alerts that still fire are sent after the next evaluation. @returns whether it existed */
  expireSilence(id: string): boolean
  /**
   * Reports every state change, silenced or not, except from pending to inactive. Exceptions of a listener go to `onError`.
   *
   * @returns a function that removes the listener
   */
  onChange(listener: AlertListener): () => void
  /** Stops evaluation, and sends pending notifications for at most `closeTimeoutMs`. Idempotent; never rejects. */
  close(): Promise<void>
}

/** Starts to evaluate rules. The timer between evaluations does not keep the process alive. @throws SdError `SD_INVALID` that names the option */
export function createAlerts(options: AlertsOptions): Alerts {
  const resolved = resolveAlertsOptions(options)
  const { source, onError, intervalMs, collectTimeoutMs, closeTimeoutMs } = resolved
  const changes = createNotifier<Parameters<AlertListener>>()
  const silences = createSilences()
  const notifications = createNotifications({
    ...resolved,
    silences,
    onChange(alert, previous) {
      reportAlert(alert, previous)
      changes.queue(alert, previous)
    },
  })
  const rules = createActiveRules(notifications.channelNames, notifications.settle)
  const closing = new AbortController()
  let evaluatedAt: number | undefined
  let evaluation: Promise<void> | undefined
  let closed: Promise<unknown> | undefined

  async function evaluate(): Promise<void> {
    try {
      const limits = { timeoutMs: collectTimeoutMs, what: 'Reading metrics', signal: closing.signal }
      const { samples, unreadable } = readSamples(await withTimeout(limits, async (signal) => source(signal)))
      if (unreadable > 0)
        onError(new SdError('SD_MALFORMED', `${unreadable} samples of the metric source are malformed and were ignored`))
      const now = Date.now()
      for (const evaluator of rules.evaluators) {
        evaluator.evaluate(samples, now)
        notifications.settle(evaluator, now)
      }
      evaluatedAt = now
      changes.deliver()
    } catch (error) {
      if (!closing.signal.aborted) onError(toSdError(error, 'SD_UNAVAILABLE', 'Reading metrics'))
    }
  }

  async function run(): Promise<void> {
    // Starts after the caller's next statements, which can create the metrics.
    await undefined
    while (!closing.signal.aborted) {
      await alerts.evaluate()
      await sleep(intervalMs, closing.signal).catch(() => undefined)
    }
  }

  function state(): AlertsStatus {
    const now = Date.now()
    return {
      rules: rules.list,
      alerts: rules.evaluators.flatMap((evaluator) => notifications.alertsOf(evaluator, now)),
      channels: notifications.channels(),
      ...(evaluatedAt !== undefined && { evaluatedAt }),
    }
  }
  const endAnswers = answerInquiries('alerts', () => [answerAlerts(state(), silences.list(Date.now()))])

  const alerts: Alerts = {
    ...rulesOf(rules),
    state,
    evaluate() {
      evaluation ??= evaluate().finally(() => {
        evaluation = undefined
      })
      return evaluation
    },
    silence: (silenceOptions) => silences.add(silenceOptions, Date.now()),
    silences: () => silences.list(Date.now()),
    expireSilence: (id) => silences.expire(id),
    onChange(listener) {
      checkFunction('listener', listener)
      return changes.add(guardListener('listener of alerts', listener, onError))
    },
    async close() {
      closing.abort()
      endAnswers()
      closed ??= notifications.close(closeTimeoutMs)
      await closed
    },
    [Symbol.asyncDispose]: () => alerts.close(),
  }
  rules.set(resolved.rules)
  void run()
  return alerts
}

/** Reports a change of state on `sd:v1:alert:state`. */
function reportAlert({ rule, severity, labels, state, value, isSilenced }: Alert, previous: AlertState | undefined): void {
  publishTelemetry('sd:v1:alert:state', {
    rule,
    severity,
    labels,
    state,
    ...(previous !== undefined && { previous }),
    ...(value !== undefined && { value }),
    isSilenced,
  })
}

function rulesOf(rules: ActiveRules): Pick<Alerts, 'setRules' | 'addRule' | 'removeRule' | 'enableRule'> {
  return {
    setRules: rules.set,
    addRule: (rule) => rules.set([...rules.list, rule]),
    removeRule(name) {
      if (!rules.has(name)) return false
      rules.set(rules.list.filter((rule) => rule.name !== name))
      return true
    },
    enableRule(name, isEnabled) {
      if (!rules.has(name)) return false
      rules.set(rules.list.map((rule) => (rule.name === name ? { ...rule, enabled: isEnabled } : rule)))
      return true
    },
  }
}
