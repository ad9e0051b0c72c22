import { checkFunction, checkKnownKeys, publishTelemetry } from '@sd/core'
import { FAULT_HEADER, faultsOf, matchesFaultRule, type ResolvedFaultRule, readFaultHeader } from '@sd/fault-injection'
import {
  type FilterFactory,
  type GatewayExchange,
  type GatewayFilter,
  type GatewayReply,
  type GatewayResponse,
  RouteRefusal,
} from '@sd/gateway'
import { cutBody } from './cut-body.ts'
import { type ResolvedFaults, readFaultOptions } from './fault-options.ts'

/** Parts of {@link createFaultInjectionFilter}. */
export interface FaultInjectionParts {
  /** Source of randomness in [0, 1) for shares and jitter. @default Math.random */
  readonly random?: () => number
}

/**
 * Creates the filter `fault-injection`, which injects faults into requests of a route, with {@link FaultInjectionFilterOptions}.
 * It is off by default.
 *
 * @throws SdError `SD_INVALID` that names the part
 */
export function createFaultInjectionFilter(parts: FaultInjectionParts = {}): FilterFactory {
  checkKnownKeys('', parts, ['random'])
  const random = checkFunction('random', parts.random ?? Math.random)
  return (options) => new FaultFilter(readFaultOptions(options), random)
}

/** A request with a fault. */
interface ActiveFault {
  readonly rule: ResolvedFaultRule
  /** Ends its delay. */
  end?(): void
}

/** Ends the request of a client that has left during its delay: it is not sent, and no further filter runs. */
const unsent: GatewayReply = { status: 499 }

class FaultFilter implements GatewayFilter {
  readonly #options: ResolvedFaults
  readonly #random: () => number
  readonly #active = new Map<GatewayExchange, ActiveFault>()

  constructor(options: ResolvedFaults, random: () => number) {
    this.#options = options
    this.#random = random
  }

  onRequest(exchange: GatewayExchange): GatewayReply | undefined | Promise<GatewayReply | undefined> {
    const asked = this.#readHeader(exchange)
    const { enabled, maxActive } = this.#options
    if (!enabled || this.#active.size >= maxActive) return undefined
    const rule = this.#choose(exchange, asked)
    if (!rule) return undefined
    // The header applies to one hop, unless it names another one.
    if (rule === asked) exchange.removeHeader(FAULT_HEADER)
    publishTelemetry('sd:v1:fault:injected', {
      service: exchange.service ?? '',
      rule: rule.name,
      faults: faultsOf(rule),
      side: 'server',
    })
    const fault: ActiveFault = { rule }
    this.#active.set(exchange, fault)
    const delayMs = Math.round(rule.delayMs + rule.jitterMs * this.#random())
    return delayMs > 0 ? delay(fault, delayMs) : respond(rule)
  }

  onResponse(exchange: GatewayExchange, response: GatewayResponse): void {
    const { rule } = this.#active.get(exchange) ?? {}
    if (rule?.cutAfterBytes !== undefined) response.transformBody(cutBody(rule.cutAfterBytes, rule.name))
  }

  onEnd(exchange: GatewayExchange): void {
    this.#active.get(exchange)?.end?.()
    this.#active.delete(exchange)
  }

  /** The fault that a client may ask for. What another one asks for must not reach the services either. */
  #readHeader(exchange: GatewayExchange): ResolvedFaultRule | undefined {
    const text = exchange.header(FAULT_HEADER)
    if (text === undefined) return undefined
    if (this.#options.networks.has(exchange.clientAddress)) return readFaultHeader(text)
    exchange.removeHeader(FAULT_HEADER)
    return undefined
  }

  #choose(exchange: GatewayExchange, asked: ResolvedFaultRule | undefined): ResolvedFaultRule | undefined {
    const { service = '', method, path } = exchange
    const target = { service, method, path }
    if (asked && matchesFaultRule(asked, target) && this.#random() < asked.share) return asked
    for (const { rule, hasFields } of this.#options.rules) {
      if (matchesFaultRule(rule, target) && hasFields(exchange) && this.#random() < rule.share) return rule
    }
    return undefined
  }
}

function delay(fault: ActiveFault, delayMs: number): Promise<GatewayReply | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      try {
        resolve(respond(fault.rule))
      } catch (error) {
        reject(error)
      }
    }, delayMs)
    fault.end = () => {
      clearTimeout(timer)
      resolve(unsent)
    }
  })
}

function respond({ error, name }: ResolvedFaultRule): GatewayReply | undefined {
  if (error === undefined) return undefined
  if (error === 'unavailable') throw new RouteRefusal(0, `The connection was closed (injected by ${name})`)
  return { status: error, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: `injected by ${name}\n` }
}
