import { checkFunction, createNotifier, guardListener, SdError, sleep, toSdError, withTimeout } from '@sd/core'
import { type ActiveRules, createActiveRules } from './active-rules.ts'
import type { Alert, AlertState } from './alert.ts'
import type { ChannelStatus } from './delivery.ts'
import { createNotifications } from './notifications.ts'
import { type AlertsOptions, resolveAlertsOptions } from './options.ts'
import { readSamples } from './read-samples.ts'
import type { AlertRule } from './rule.ts'
import { createSilences, type Silence, type SilenceOptions } from './silences.ts'

/** How everything is. Plain data. */
export interface AlertsStatus {
  /** The rules, disabled ones included. */
  readonly rules: readonly AlertRule[]
  /** The alerts that are not inactive. */
  readonly alerts: readonly Alert[]
  /** How the channels do. */
  readonly channels: readonly ChannelStatus[]
  /** When the rules were last evaluated, in milliseconds since 1970. */
  readonly evaluatedAt?: number
}

/** Is told of a change of state; `previous` is `undefined` for an alert that was inactive. */
export type AlertListener = (alert: Alert, previous: AlertState | undefined) => void

/** Rules at work. */
export interface Alerts extends AsyncDisposable {
  /** How everything is now. */
  state(): AlertsStatus
  /** Evaluates the rules now, besides the interval. Never rejects: what fails goes to `onError`, and alerts stay as they are. */
  evaluate(): Promise<void>
  /**
   * Replaces all rules, or none if one is wrong. A rule that is the same keeps its alerts; those of any other end.
   *
   * @throws SdError `SD_INVALID` that names the field
   */
  setRules(rules: readonly AlertRule[]): void
  /** Adds a rule. @throws SdError `SD_INVALID` that names the field */
  addRule(rule: AlertRule): void
  /** Takes a rule away; its alerts end. @returns whether there was one */
  removeRule(name: string): boolean
  /** Turns a rule on or off; the alerts of one that is turned off end. @returns whether there is one */
  enableRule(name: string, isEnabled: boolean): boolean
  /** Keeps channels from being told that matching alerts fire. @throws SdError `SD_INVALID` that names the option, `SD_TOO_LARGE` */
  silence(options: SilenceOptions): Silence
  /** The silences that have not ended. */
  silences(): readonly Silence[]
  /** Ends a silence: what still fires is told with the next evaluation. @returns whether there was one */
  expireSilence(id: string): boolean
  /**
   * Tells of every change of state, silenced or not. An alert that was pending and is inactive again is not told. What a listener throws
   * goes to `onError`.
   *
   * @returns a function that ends it
   */
  onChange(listener: AlertListener): () => void
  /** Ends evaluation, and sends what waits for at most `closeTimeoutMs`. Idempotent; never rejects. */
  close(): Promise<void>
}

/** Starts to evaluate rules. The wait between two evaluations keeps no process alive. @throws SdError `SD_INVALID` that names the option */
export function createAlerts(options: AlertsOptions): Alerts {
  const resolved = resolveAlertsOptions(options)
  const { source, onError, intervalMs, collectTimeoutMs, closeTimeoutMs } = resolved
  const changes = createNotifier<Parameters<AlertListener>>()
  const silences = createSilences()
  const notifications = createNotifications({ ...resolved, silences, onChange: changes.queue })
  const rules = createActiveRules(notifications.channelNames, notifications.settle)
  const closing = new AbortController()
  let evaluatedAt: number | undefined
  let evaluation: Promise<void> | undefined
  let closed: Promise<unknown> | undefined

  async function evaluate(): Promise<void> {
    try {
      const limits = { timeoutMs: collectTimeoutMs, what: 'Reading metrics', signal: closing.signal }
      const { samples, unreadable } = readSamples(await withTimeout(limits, async (signal) => source(signal)))
      if (unreadable > 0) onError(new SdError('SD_MALFORMED', `${unreadable} samples can't be read, and were left out`))
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
    // Not before the caller's next lines, which may make the metrics.
    await undefined
    while (!closing.signal.aborted) {
      await alerts.evaluate()
      await sleep(intervalMs, closing.signal).catch(() => undefined)
    }
  }

  const alerts: Alerts = {
    ...rulesOf(rules),
    state() {
      const now = Date.now()
      return {
        rules: rules.list,
        alerts: rules.evaluators.flatMap((evaluator) => notifications.alertsOf(evaluator, now)),
        channels: notifications.channels(),
        ...(evaluatedAt !== undefined && { evaluatedAt }),
      }
    },
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
      closed ??= notifications.close(closeTimeoutMs)
      await closed
    },
    [Symbol.asyncDispose]: () => alerts.close(),
  }
  rules.set(resolved.rules)
  void run()
  return alerts
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
