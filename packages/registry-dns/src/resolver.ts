import { randomInt } from 'node:crypto'
import { isIPv6 } from 'node:net'
import type { ServerAddress } from '@sd/adapter-kit'
import { createSemaphore, SdError } from '@sd/core'
import { type ExchangeResult, exchangeDatagram, exchangeStream } from './exchange.ts'
import { type Finding, interpret, maxAliases, type RecordData } from './interpret.ts'
import { type DnsMessage, type DnsQuestion, encodeQuery, type QueryType } from './message.ts'
import type { ResolvedDnsRegistryOptions } from './options.ts'

/** Records of a name. */
export interface DnsAnswer<T extends QueryType> {
  /** Data of the records; empty if the name, or a record of the type, does not exist. */
  readonly data: readonly RecordData<T>[]
  /** How long the records are valid, in milliseconds. */
  readonly ttlMs: number
  /** The message with the records. */
  readonly message: DnsMessage
}

/** Resolves names with DNS servers. */
export interface DnsResolver {
  /**
   * Queries the records of a name, following aliases, one server after the other.
   *
   * @throws SdError `SD_UNAVAILABLE` if no server could resolve it, with the result of each
   */
  ask<T extends QueryType>(question: TypedQuestion<T>, signal: AbortSignal): Promise<DnsAnswer<T>>
}

type TypedQuestion<T extends QueryType> = DnsQuestion & { readonly type: T }

interface Answered<T extends QueryType> {
  readonly finding: Exclude<Finding<T>, { kind: 'failed' }>
  readonly message: DnsMessage
}

/** Maximum number of concurrent queries; each has a socket. */
const maxQueries = 64

/** Creates a resolver. It has no open sockets while no query is running. */
export function createResolver({ servers, transport, timeoutMs, name: registry }: ResolvedDnsRegistryOptions): DnsResolver {
  const exchange = transport === 'udp' ? exchangeDatagram : exchangeStream
  const queries = createSemaphore(maxQueries)
  let preferred = 0

  /**
   * Queries one server: over a connection if the response is truncated, without EDNS if the server does not support it.
   */
  async function queryServer(server: ServerAddress, question: DnsQuestion, signal: AbortSignal): Promise<ExchangeResult> {
    const options = { timeoutMs, signal }
    const draw = (extended: boolean): ReturnType<typeof encodeQuery> => encodeQuery(question, randomInt(65_536), extended)
    let result = await exchange(server, draw(true), options)
    if (result.kind === 'failed' && (result.reason === 'FORMERR' || result.reason === 'NOTIMP')) {
      result = await exchange(server, draw(false), options)
    }
    if (result.kind !== 'truncated') return result
    const whole = await exchangeStream(server, draw(true), options)
    return whole.kind === 'truncated' ? { kind: 'failed', reason: 'a truncated response' } : whole
  }

  /**
   * Queries all servers, starting with the last one that responded, then again those that did not respond, because
   * datagrams can be lost.
   */
  async function query<T extends QueryType>(question: TypedQuestion<T>, signal: AbortSignal): Promise<Answered<T>> {
    const turns = [...servers.slice(preferred), ...servers.slice(0, preferred)]
    const reasons = new Map<ServerAddress, string>()
    for (const server of turns) {
      const result = await queries.run(signal, () => queryServer(server, question, signal))
      signal.throwIfAborted()
      if (result.kind === 'answered') {
        const finding = interpret(result.message, question)
        if (finding.kind !== 'failed') {
          preferred = servers.indexOf(server)
          return { finding, message: result.message }
        }
        reasons.set(server, finding.reason)
      } else {
        if (result.kind === 'late' && !reasons.has(server)) turns.push(server)
        reasons.set(server, result.kind === 'failed' ? result.reason : `no response within ${timeoutMs} ms`)
      }
    }
    throw unresolved(question, [...reasons].map(([server, reason]) => `${showServer(server)} returned ${reason}`).join(', '))
  }

  function unresolved({ type, name }: DnsQuestion, reason: string): SdError {
    return new SdError('SD_UNAVAILABLE', `${registry} can't resolve ${type} ${name}: ${reason}`)
  }

  return {
    async ask(question, signal) {
      let { name } = question
      let ttlSeconds = Number.POSITIVE_INFINITY
      for (let hops = 0; hops <= maxAliases; ) {
        const { finding, message } = await query({ ...question, name }, signal)
        ttlSeconds = Math.min(ttlSeconds, finding.ttlSeconds)
        if (finding.kind === 'records') return { data: finding.data, ttlMs: ttlSeconds * 1_000, message }
        name = finding.name
        hops += finding.hops
      }
      throw unresolved(question, `more than ${maxAliases} aliases`)
    },
  }
}

function showServer({ host, port }: ServerAddress): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`
}
