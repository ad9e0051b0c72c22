import assert from 'node:assert/strict'
import { SdError } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { createApiChoice, type NacosConnectionOptions, resolveNacosConnectionOptions, type UseApi } from './index.ts'

/** An API of a server with the given versions, which returns its own version. */
type Api = (operation: string) => Promise<string>

function serverWith(...versions: readonly string[]): {
  versions: readonly string[]
  readonly requests: string[]
  choose(options?: NacosConnectionOptions): UseApi<Api>
} {
  const requests: string[] = []
  const server = {
    versions,
    requests,
    choose: (options: NacosConnectionOptions = {}) =>
      createApiChoice<Api>(resolveNacosConnectionOptions(options, 'nacos'), {
        grpc: () => call('grpc'),
        v1: () => call('v1'),
        v3: () => call('v3'),
        probe: (api) => api('probe'),
      }),
  }
  function call(version: string): Api {
    return async (operation) => {
      requests.push(`${version} ${operation}`)
      if (!server.versions.includes(version)) throw new SdError('SD_UNSUPPORTED', `no ${version}`)
      return version
    }
  }
  return server
}

describe('the API', () => {
  test('is gRPC if the server has it, else v1, else v3, and is detected once', async () => {
    const cases = [
      [['grpc', 'v1'], 'grpc', 1],
      [['v1', 'v3'], 'v1', 2],
      [['v3'], 'v3', 3],
    ] as const
    for (const [versions, expected, probes] of cases) {
      const server = serverWith(...versions)
      const use = server.choose()
      const responses = await Promise.all([1, 2, 3].map(() => use((api) => api('read'))))
      expect(responses).toEqual([expected, expected, expected])
      expect(server.requests.filter((one) => one.endsWith('probe'))).toHaveLength(probes)
    }
  })

  test('is detected again after the server was replaced by one without it', async () => {
    const server = serverWith('v1')
    const use = server.choose()
    expect(await use((api) => api('read'))).toBe('v1')
    server.versions = ['v3']
    expect(await use((api) => api('read'))).toBe('v3')
  })

  test('is unreachable, not missing, once it was available', async () => {
    for (const api of ['auto', 'v1'] as const) {
      const server = serverWith('v1')
      const use = server.choose({ api })
      await use((one) => one('read'))
      server.versions = []
      await assert.rejects(
        use((one) => one('read')),
        { code: 'SD_UNAVAILABLE', retryable: true },
      )
    }
  })

  test('is missing on a server that is not Nacos, and stays as the options name it', async () => {
    const none = serverWith().choose()
    await assert.rejects(
      none((api) => api('read')),
      { code: 'SD_UNSUPPORTED', message: /is this a Nacos/ },
    )
    const named = serverWith('v3').choose({ api: 'v1' })
    await assert.rejects(
      named((api) => api('read')),
      { code: 'SD_UNSUPPORTED' },
    )
  })

  test.each<[string, () => Promise<unknown>]>([
    ['refuses connections', () => Promise.reject(new SdError('SD_UNAVAILABLE', 'refused'))],
    ['does not respond', () => new Promise(() => undefined)],
  ])('is one by HTTP if the gRPC port %s', async (_, probeGrpc) => {
    const options = resolveNacosConnectionOptions({ operationTimeoutMs: 200 }, 'nacos')
    const use = createApiChoice<string>(options, {
      grpc: () => 'grpc',
      v1: () => 'v1',
      v3: () => 'v3',
      probe: async (api) => (api === 'grpc' ? probeGrpc() : undefined),
    })
    expect(await use(async (api) => api)).toBe('v1')
  })

  test('an unreachable server is not treated as one without the API', async () => {
    const use = createApiChoice<string>(resolveNacosConnectionOptions({}, 'nacos'), {
      grpc: () => 'grpc',
      v1: () => 'v1',
      v3: () => 'v3',
      probe: () => Promise.reject(new SdError('SD_UNAVAILABLE', 'away')),
    })
    await assert.rejects(
      use(async (api) => api),
      { code: 'SD_UNAVAILABLE' },
    )
  })
})
