import { parseJsonObject } from '@sd/adapter-kit'
import { SdError } from '@sd/core'
import type { NacosInstance } from './instance-codec.ts'

/** Compares what a server holds after a registration with what it was sent. */
export interface Verifier {
  /**
   * What to send once more, because the server kept something older; `undefined` if it took everything, or does not tell.
   *
   * rnacos 0.8 gives a new instance the metadata that an earlier one at the same address had in the last minute, and ignores a weight of
   * exactly 1 in an update. Sent again, metadata is taken; a weight beside 1 is, too.
   */
  check(sent: NacosInstance, read: () => Promise<string>): Promise<NacosInstance | undefined>
}

/** Stops asking when a server says that it no longer tells, as Nacos 3 does. */
export function createVerifier(): Verifier {
  let isTold = true
  return {
    async check(sent, read) {
      if (!isTold) return undefined
      try {
        const { weight, metadata } = parseJsonObject(await read(), 'an instance')
        if (!sameLabels(sent.metadata, metadata)) return sent
        if (sent.weight !== 1 || Math.abs(Number(weight) - 1) < 1e-5) return undefined
        return { ...sent, weight: 1.000001, metadata: { ...sent.metadata, 'sd.weight': '1' } }
      } catch (error) {
        // The registration was confirmed already; only this look at it failed.
        if (error instanceof SdError && error.code === 'SD_UNSUPPORTED') isTold = false
        return undefined
      }
    },
  }
}

function sameLabels(sent: Readonly<Record<string, string>>, held: unknown): boolean {
  const labels = (held ?? {}) as Readonly<Record<string, unknown>>
  const keys = Object.keys(sent)
  return (
    keys.length === Object.keys(labels).length && keys.every((key) => Object.hasOwn(labels, key) && labels[key] === sent[key])
  )
}
