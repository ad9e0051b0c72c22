import { type AttachedMonitor, type EndpointMonitor, SdError, toSdError } from '@sd/core'

/** Loads the checks from an optional package, once an instance declares one. */
async function loadMonitor(): Promise<EndpointMonitor> {
  // The try block keeps bundlers from requiring the package.
  try {
    const { createDeclaredCheckMonitor } = await import('@sd/health')
    return createDeclaredCheckMonitor()
  } catch (caught) {
    throw toSdError(caught, 'SD_UNSUPPORTED', 'loading @sd/health')
  }
}

/**
 * Creates a monitor that runs the health checks that instances declare. It loads nothing until an instance declares one.
 * If `@sd/health` is not installed, it reports that once.
 *
 * @param onError receives the error if the checks can't be run
 * @param load creates the monitor that runs the checks
 */
export function createDeclaredChecks(
  onError: (error: SdError) => void,
  load: () => Promise<EndpointMonitor> = loadMonitor,
): EndpointMonitor {
  let loading: Promise<EndpointMonitor | undefined> | undefined

  function loadOnce(service: string): Promise<EndpointMonitor | undefined> {
    loading ??= load().catch((cause: unknown) => {
      const text = `Instances of ${service} declare a health check, but nothing runs it: run npm install @sd/health, or set declaredChecks to false`
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
