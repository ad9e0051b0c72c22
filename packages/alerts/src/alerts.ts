import { isDeepStrictEqual } from 'node:util'
import {
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkObject,
  guardListener,
  invalid,
  SdError,
  sleep,
  toSdError,
  withTimeout,
} from '@sd/core'
import type { Alert, AlertState } from './alert.ts'
import type { AlertChannel } from './channel.ts'
import { type ChannelStatus, createDelivery, type Delivery } from './delivery.ts'
import type { MetricSource } from './metric-source.ts'
import { readSamples } from './read-samples.ts'
import { type AlertRule, checkRules } from './rule.ts'
import { createRuleEvaluator, maxAlertsPerRule, type RuleEvaluator, type TrackedAlert, toAlert } from './rule-evaluator.ts'
import { createSilences, type Silence, type SilenceOptions } from './silences.ts'

/** Options of {@link createAlerts}. */
export interface AlertsOptions {
  /** Where samples come from. */
  readonly source: MetricSource
  /** When to alert. @default none yet */
  readonly rules?: readonly AlertRule[]
  /** Who is told. @default nobody: `state()` and listeners still tell */
  readonly channels?: readonly AlertChannel[]
  /** Time between two evaluations, in milliseconds. @default 15_000 */
  readonly intervalMs?: number
  /** After how long channels are told again of what still fires, in milliseconds. @default 14_400_000, 4 hours */
  readonly repeatIntervalMs?: number
  /** How long reading the samples may take, in milliseconds. @default 10_000 */
  readonly collectTimeoutMs?: number
  /** How long {@link Alerts.close} waits for what is to be sent, in milliseconds. @default 5_000 */
  readonly closeTimeoutMs?: number
  /** Told when samples can't be read, and when channels fail. @default writes to stderr */
  readonly onError?: (error: SdError) => void
}

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

const keys = [
  'source',
  'rules',
  'channels',
  'intervalMs',
  'repeatIntervalMs',
  'collectTimeoutMs',
  'closeTimeoutMs',
  'onError',
] as const

/** Starts to evaluate rules. The wait between two evaluations keeps no process alive. @throws SdError `SD_INVALID` that names the option */
export function createAlerts(options: AlertsOptions): Alerts {
  checkKnownKeys('', checkObject('options', options), keys)
  const source = checkFunction('source', options.source)
  const onError = guardListener(
    'onError',
    checkFunction('onError', options.onError ?? ((error) => process.stderr.write(`${error.message}\n`))),
  )
  const intervalMs = checkDuration('intervalMs', options.intervalMs ?? 15_000, 1)
  const repeatIntervalMs = checkDuration('repeatIntervalMs', options.repeatIntervalMs ?? 4 * 3_600_000, 1)
  const collectTimeoutMs = checkDuration('collectTimeoutMs', options.collectTimeoutMs ?? 10_000, 1)
  const closeTimeoutMs = checkDuration('closeTimeoutMs', options.closeTimeoutMs ?? 5_000)
  const deliveries = createDeliveries(options.channels ?? [], onError)
  const silences = createSilences()
  const listeners = new Set<AlertListener>()
  const untold: Parameters<AlertListener>[] = []
  let isTelling = false
  const closing = new AbortController()
  let rules: readonly AlertRule[] = []
  let evaluators: readonly RuleEvaluator[] = []
  let evaluatedAt: number | undefined
  let evaluation: Promise<void> | undefined
  let closed: Promise<unknown> | undefined

  async function evaluate(): Promise<void> {
    try {
      const limits = { timeoutMs: collectTimeoutMs, what: 'Reading metrics', signal: closing.signal }
      const { samples, unreadable } = readSamples(await withTimeout(limits, async (signal) => source(signal)))
      if (unreadable > 0) onError(new SdError('SD_MALFORMED', `${unreadable} samples can't be read, and were left out`))
      const now = Date.now()
      for (const evaluator of evaluators) {
        evaluator.evaluate(samples, now)
        settle(evaluator, now)
      }
      evaluatedAt = now
      tellListeners()
    } catch (error) {
      if (!closing.signal.aborted) onError(toSdError(error, 'SD_UNAVAILABLE', 'Reading metrics'))
    }
  }

  /** Tells channels what came of an evaluation, and notes what listeners are to be told. */
  function settle({ rule, alerts, ignoredGroups }: RuleEvaluator, now: number): void {
    for (const tracked of alerts) {
      const alert = toAlert(rule, tracked, silences.isSilenced(rule.name, tracked.labels, now))
      if (alert.state !== tracked.previous) untold.push([alert, tracked.previous])
      if (claimNotification(tracked, alert, now)) {
        for (const name of rule.channels ?? deliveries.keys()) deliveries.get(name)?.enqueue(alert)
      }
    }
    if (ignoredGroups > 0) {
      const message = `Rule ${rule.name} has more than ${maxAlertsPerRule} alerts: ${ignoredGroups} were left out`
      onError(new SdError('SD_TOO_LARGE', message))
    }
  }

  /** Whether channels are to be told now, which is noted. Who was told that an alert fires is told of its end, silence or not. */
  function claimNotification(tracked: TrackedAlert, { state, isSilenced }: Alert, now: number): boolean {
    const { notifiedAt } = tracked
    if (state === 'firing' && !isSilenced && (notifiedAt === undefined || now - notifiedAt >= repeatIntervalMs)) {
      tracked.notifiedAt = now
      return true
    }
    if (state !== 'resolved' || notifiedAt === undefined) return false
    tracked.notifiedAt = undefined
    return true
  }

  /** A listener may change the rules: it is told of what follows from that after all that came before. */
  function tellListeners(): void {
    if (isTelling) return
    isTelling = true
    for (let change = untold.shift(); change; change = untold.shift()) {
      for (const tell of listeners) tell(...change)
    }
    isTelling = false
  }

  function setRules(next: readonly AlertRule[]): void {
    const checked = checkRules(next, [...deliveries.keys()])
    const now = Date.now()
    const kept = checked.map((rule) => evaluators.find((evaluator) => isDeepStrictEqual(evaluator.rule, rule)))
    for (const evaluator of evaluators) {
      if (kept.includes(evaluator)) continue
      evaluator.end(now)
      settle(evaluator, now)
    }
    rules = checked
    evaluators = checked.map((rule, index) => kept[index] ?? createRuleEvaluator(rule)).filter(({ rule }) => rule.enabled ?? true)
  }

  function hasRule(name: string): boolean {
    return rules.some((rule) => rule.name === name)
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
    state() {
      const now = Date.now()
      return {
        rules,
        alerts: evaluators.flatMap(({ rule, alerts: tracked }) =>
          tracked.map((alert) => toAlert(rule, alert, silences.isSilenced(rule.name, alert.labels, now))),
        ),
        channels: [...deliveries.values()].map(({ status }) => status),
        ...(evaluatedAt !== undefined && { evaluatedAt }),
      }
    },
    evaluate() {
      evaluation ??= evaluate().finally(() => {
        evaluation = undefined
      })
      return evaluation
    },
    setRules,
    addRule: (rule) => setRules([...rules, rule]),
    removeRule(name) {
      if (!hasRule(name)) return false
      setRules(rules.filter((rule) => rule.name !== name))
      return true
    },
    enableRule(name, isEnabled) {
      if (!hasRule(name)) return false
      setRules(rules.map((rule) => (rule.name === name ? { ...rule, enabled: isEnabled } : rule)))
      return true
    },
    silence: (silenceOptions) => silences.add(silenceOptions, Date.now()),
    silences: () => silences.list(Date.now()),
    expireSilence: (id) => silences.expire(id),
    onChange(listener) {
      checkFunction('listener', listener)
      const own = guardListener('listener of alerts', listener, onError)
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    async close() {
      closing.abort()
      closed ??= Promise.all([...deliveries.values()].map((delivery) => delivery.close(closeTimeoutMs)))
      await closed
    },
    [Symbol.asyncDispose]: () => alerts.close(),
  }
  setRules(options.rules ?? [])
  void run()
  return alerts
}

function createDeliveries(channels: readonly AlertChannel[], onError: (error: SdError) => void): ReadonlyMap<string, Delivery> {
  const deliveries = new Map<string, Delivery>()
  for (const [index, channel] of channels.entries()) {
    const delivery = createDelivery(`channels[${index}]`, channel, onError)
    if (deliveries.has(channel.name)) throw invalid(`channels[${index}].name`, channel.name, 'a name that no other channel has')
    deliveries.set(channel.name, delivery)
  }
  return deliveries
}
