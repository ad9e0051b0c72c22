import { SdError } from '@sd/core'
import type { NacosInstance } from './instance-codec.ts'

/** Compares the instance on the server with the one that was sent. */
export interface Verifier {
  /**
   * Returns the instance to send again if the server kept older data, else `undefined`; also if the server can't report
   * it.
   *
   * rnacos 0.8 gives a new instance the metadata of an earlier one at the same address for one minute, and ignores a
   * weight of exactly 1 in an update. It accepts metadata that is sent again, and a weight close to 1.
   */
  check(sent: NacosInstance, read: () => Promise<Readonly<Record<string, unknown>>>): Promise<NacosInstance | undefined>
}

/** Creates a verifier. It stops reading once a server does not support it, as Nacos 3 does not. */
export function createVerifier(): Verifier {
  let isReported = true
  return {
    async check(sent, read) {
      if (!isReported) return undefined
      try {
        const { weight, metadata } = await read()
        if (!sameLabels(sent.metadata, metadata)) return sent
        if (sent.weight !== 1 || Math.abs(Number(weight) - 1) < 1e-5) return undefined
        return withNoticedWeight(sent)
      } catch (error) {
        // The registration is already confirmed; only this read failed.
        if (error instanceof SdError && error.code === 'SD_UNSUPPORTED') isReported = false
        return undefined
      }
    },
  }
}

/** Returns an instance whose weight rnacos does not ignore in an update: one that is close to 1 instead of 1. */
export function withNoticedWeight(instance: NacosInstance): NacosInstance {
  if (instance.weight !== 1) return instance
  return { ...instance, weight: 1.000001, metadata: { ...instance.metadata, 'sd.weight': '1' } }
}

function sameLabels(sent: Readonly<Record<string, string>>, held: unknown): boolean {
  const labels = (held ?? {}) as Readonly<Record<string, unknown>>
  const keys = Object.keys(sent)
  return (
    keys.length === Object.keys(labels).length && keys.every((key) => Object.hasOwn(labels, key) && labels[key] === sent[key])
  )
}
