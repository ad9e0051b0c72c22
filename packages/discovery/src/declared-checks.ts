import { type AttachedMonitor, type EndpointMonitor, SdError, toSdError } from '@sd/core'

/** Where the checks are: an optional package, which is loaded once an instance declares a check. */
async function loadMonitor(): Promise<EndpointMonitor> {
  // In a try block, so that bundlers don't insist on it.
  try {
    const { createDeclaredCheckMonitor } = await import('@sd/health')
    return createDeclaredCheckMonitor()
  } catch (caught) {
    throw toSdError(caught, 'SD_UNSUPPORTED', 'loading @sd/health')
  }
}

/**
 * Makes a monitor that runs the checks which instances declare. Until one does it does nothing, and loads nothing. Where `@sd/health` is not
 * installed it says so once.
 *
 * @param onError told if the checks can't be run
 * @param load makes the monitor that does the work
 */
export function createDeclaredChecks(
  onError: (error: SdError) => void,
  load: () => Promise<EndpointMonitor> = loadMonitor,
): EndpointMonitor {
  let loading: Promise<EndpointMonitor | undefined> | undefined

  function loadOnce(service: string): Promise<EndpointMonitor | undefined> {
    loading ??= load().catch((cause: unknown) => {
      const text = `Instances of ${service} declare a health check that nobody runs: npm install @sd/health, or set declaredChecks to false`
      onError(new SdError('SD_UNSUPPORTED', text, { cause }))
      return undefined
    })
    return loading
  }

  return {
    name: 'health-declared',
    isActive: true,
    attach(cluster) {
      let work: AttachedMonitor | undefined
      let isLoading = false
      let isClosed = false

      function update(): void {
        if (work) {
          work.update?.()
          return
        }
        if (isLoading || !cluster.endpoints.some(({ instance }) => instance.healthCheck)) return
        isLoading = true
        void loadOnce(cluster.service).then((monitor) => {
          if (!isClosed) work = monitor?.attach(cluster)
        })
      }

      update()
      return {
        update,
        explain: (endpoint) => work?.explain?.(endpoint),
        close() {
          isClosed = true
          work?.close()
        },
      }
    },
  }
}
