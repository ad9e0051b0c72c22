import { type Cluster, describeNoInstance, SdError } from '@sd/core'

/** Why no instance could be picked: nothing is registered, or all are out, and why. Made only when a call fails. */
export function explainNoInstance(cluster: Cluster): SdError {
  return new SdError('SD_NO_INSTANCE', describeNoInstance(cluster.explain()))
}
