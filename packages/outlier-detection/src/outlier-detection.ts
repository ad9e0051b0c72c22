import type { Endpoint, EndpointMonitor } from '@sd/core'
import { type OutlierDetectionOptions, resolveMonitorOptions, resolveRules } from './options.ts'
import { createOutlierDetector } from './outlier-detector.ts'

/**
 * Creates a monitor for `createDiscovery` that ejects endpoints whose calls keep failing, by Envoy's rules, and restores
 * them after some time.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createOutlierDetection(options: OutlierDetectionOptions = {}): EndpointMonitor {
  const { name, rampMs } = resolveMonitorOptions(options)
  const rules = resolveRules(options)
  return {
    name,
    attach(cluster) {
      const returns = new Map<Endpoint, ReturnType<typeof setTimeout>>()
      const detector = createOutlierDetector<Endpoint>({
        ...rules,
        onEject(endpoint, ejection) {
          cluster.eject(endpoint, ejection)
          // The timer of an ejection that ended early, because the endpoint was removed, must not end this one.
          clearTimeout(returns.get(endpoint))
          const timer = setTimeout(() => {
            returns.delete(endpoint)
            cluster.restore(endpoint, { rampMs })
          }, ejection.forMs)
          timer.unref?.()
          returns.set(endpoint, timer)
        },
        onRestore(endpoint) {
          clearTimeout(returns.get(endpoint))
          returns.delete(endpoint)
          cluster.restore(endpoint, { rampMs })
        },
      })
      detector.setHosts(cluster.endpoints)
      return {
        observe: detector.observe,
        update: () => detector.setHosts(cluster.endpoints),
        close() {
          for (const timer of returns.values()) clearTimeout(timer)
        },
      }
    },
  }
}
