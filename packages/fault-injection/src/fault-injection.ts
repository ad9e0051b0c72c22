import type { RequestListener } from 'node:http'
import {
  type AttemptContext,
  type CallResponse,
  checkFunction,
  checkKnownKeys,
  checkObject,
  type HeaderFields,
  type Interceptor,
  publishTelemetry,
  SdError,
  sleep,
} from '@sd/core'
import { cutBody, emptyBody } from './fault-bodies.ts'
import { type FaultTarget, faultsOf, matchesFaultRule } from './fault-choice.ts'
import { FAULT_HEADER, readFaultHeader } from './fault-header.ts'
import { handleWithFault } from './fault-server.ts'
import {
  checkFaultSettings,
  type FaultSettings,
  type ResolvedFaultSettings,
  type ResolvedRule,
  settingKeys,
} from './fault-settings.ts'

/** Options of {@link createFaultInjection}. */
export interface FaultInjectionOptions extends FaultSettings {
  /** Source of randomness in [0, 1) for shares and jitter. @default Math.random */
  readonly random?: () => number
}

/** Injects faults into calls of a client or requests of a server. */
export interface FaultInjection {
  /** The current settings. */
  readonly settings: FaultSettings
  /**
   * Use it as the last of `interceptors.attempt` of a client. Faults affect each attempt, so that retries and hedges see
   * them.
   */
  readonly interceptor: Interceptor<AttemptContext>
  /**
   * Wraps a handler of `node:http`, so that its clients experience the faults on the network.
   *
   * @param service applies the rules of this service and those of all services
   */
  handler(service: string, application: RequestListener): RequestListener
  /** Replaces the settings for later calls. @throws SdError `SD_INVALID` that names the field; nothing has changed then */
  configure(settings: FaultSettings): void
}

/**
 * Creates a fault injection for drills. It is off by default, and costs almost nothing while it is off.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createFaultInjection(options: FaultInjectionOptions = {}): FaultInjection {
  checkKnownKeys('', checkObject('options', options), ['random', ...settingKeys])
  const { random = Math.random, ...first } = options
  checkFunction('random', random)
  let settings: ResolvedFaultSettings = checkFaultSettings('', first)

  function choose(target: FaultTarget & { readonly header: string | undefined }): ResolvedRule | undefined {
    const { rules, header } = settings
    const asked = header && target.header !== undefined ? readFaultHeader(target.header) : undefined
    for (const rule of asked ? [asked, ...rules] : rules) {
      if (matchesFaultRule(rule, target) && random() < rule.share) return rule
    }
    return undefined
  }
  function delayOf({ delayMs, jitterMs }: ResolvedRule): number {
    return Math.round(delayMs + jitterMs * random())
  }

  return {
    get settings() {
      return settings
    },
    interceptor(context, next) {
      if (!settings.enabled) return next()
      const { call, headers, endpoint } = context
      const { service, method, path } = call
      const rule = choose({ service, method, path, header: headers[FAULT_HEADER] })
      if (!rule) return next()
      publishTelemetry('sd:v1:fault:injected', {
        service,
        rule: rule.name,
        faults: faultsOf(rule),
        side: 'client',
        instanceId: endpoint.instance.id,
      })
      // The header applies to one hop, unless it names another one.
      if (rule.name === 'header') delete headers[FAULT_HEADER]
      return attemptWithFault(context, { rule, delayMs: delayOf(rule), next })
    },
    handler(service, application) {
      checkFunction('application', application)
      return (request, response) => {
        const { method = 'GET', url: path = '/' } = request
        const rule = settings.enabled
          ? choose({ service, method, path, header: textOf(request.headers[FAULT_HEADER]) })
          : undefined
        if (!rule) {
          application(request, response)
          return
        }
        publishTelemetry('sd:v1:fault:injected', { service, rule: rule.name, faults: faultsOf(rule), side: 'server' })
        if (rule.name === 'header') delete request.headers[FAULT_HEADER]
        handleWithFault({ request, response, rule, delayMs: delayOf(rule), application })
      }
    },
    configure(next) {
      settings = checkFaultSettings('', next)
    },
  }
}

function textOf(value: HeaderFields[string]): string | undefined {
  return typeof value === 'string' ? value : undefined
}

async function attemptWithFault(
  { call, endpoint }: AttemptContext,
  { rule, delayMs, next }: { rule: ResolvedRule; delayMs: number; next: () => Promise<CallResponse> },
): Promise<CallResponse> {
  const { error, cutAfterBytes, name } = rule
  if (delayMs > 0) await sleep(delayMs, call.signal, true)
  if (error === 'unavailable') {
    throw new SdError('SD_UNAVAILABLE', `The connection to ${call.service} broke (injected by ${name})`)
  }
  if (error !== undefined) return { status: error, headers: {}, body: emptyBody(), endpoint }
  const response = await next()
  return cutAfterBytes === undefined ? response : { ...pick(response), body: cutBody(response.body, cutAfterBytes, name) }
}

/** Copies the fields of a response, which may be getters of a class. */
function pick({ status, headers, endpoint }: CallResponse): Omit<CallResponse, 'body'> {
  return { status, headers, endpoint }
}
