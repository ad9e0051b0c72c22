import { AssertionError } from 'node:assert'
import { checkFunction, checkKnownKeys, checkObject, checkOneOf } from '@sd/core'
import type { ContractCase } from '../contract.ts'
import { bodyCases } from './body-cases.ts'
import { connectionCases } from './connection-cases.ts'
import type { FramingCase, FramingProtocol } from './framing-case.ts'
import { headCases } from './head-cases.ts'
import { http2Cases } from './http2-cases.ts'
import { responseCases } from './response-cases.ts'
import { type FramingTarget, runFramingCase } from './run-case.ts'

/** Every row of the suite: requests over HTTP/1.1 and HTTP/2, and responses of an upstream. */
export const framingCases: readonly FramingCase[] = [
  ...bodyCases,
  ...headCases,
  ...connectionCases,
  ...responseCases,
  ...http2Cases,
]

/** Connects the framing suite with a proxy or gateway. */
export interface FramingHarness {
  /** What the front speaks with clients. Its cases are run. */
  readonly front: FramingProtocol
  /** What the front speaks with the upstream. */
  readonly upstream: FramingProtocol
  /** Returns the front and its upstream, for each case. They may be the same each time; then the cases must run one after another. */
  readonly target: () => FramingTarget | Promise<FramingTarget>
}

/**
 * The framing contract of an intermediary: what it must refuse, what it must not forward, and that the next request is not affected.
 * The front forwards every path and the authority of `target` to the upstream, which `startFramingUpstream` starts.
 *
 * @throws SdError `SD_INVALID` for a harness with unknown or invalid fields
 */
export function framingContract(harness: FramingHarness): readonly ContractCase[] {
  checkKnownKeys('harness', checkObject('harness', harness), ['front', 'upstream', 'target'])
  checkFunction('harness.target', harness.target)
  checkOneOf('harness.front', harness.front, ['h1', 'h2'])
  checkOneOf('harness.upstream', harness.upstream, ['h1', 'h2'])
  return framingCasesFor(harness.front, harness.upstream).map((framingCase) => ({
    name: framingCase.name,
    async run() {
      const { problems } = await runFramingCase(framingCase, await harness.target())
      if (problems.length > 0) throw new AssertionError({ message: `${framingCase.rule}: ${problems.join('; ')}` })
    },
  }))
}

/** The rows that apply to a front and an upstream of these protocols. */
export function framingCasesFor(front: FramingProtocol, upstream: FramingProtocol): readonly FramingCase[] {
  return framingCases.filter((one) => one.front === front && (one.upstreams ?? ['h1', 'h2']).includes(upstream))
}
