import { type Cluster, describeNoInstance, SdError } from '@sd/core'

/** Explains why no instance could be picked: none is registered, or all are out, and why. Created only when a call fails. */
export function explainNoInstance(cluster: Cluster): SdError {
  return new SdError('SD_NO_INSTANCE', describeNoInstance(cluster.explain()))
}
