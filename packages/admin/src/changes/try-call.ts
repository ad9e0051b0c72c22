import { checkInteger, checkName, checkObject, checkOneOf, checkText, invalidError, SdError, toWireError } from '@sd/core'
import type { AdminClient, TriedCall } from '../controls.ts'
import type { TryCallReport } from '../protocol.ts'
import { showPath } from '../record/slow-calls.ts'
import { type ChangeRoute, checkBody } from './change.ts'

const methods = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
const longestMs = 30_000
const maxHeaders = 32

/** `POST /calls/try`: makes one call without a body, and answers with its steps. What the service responds is not shown. */
export const tryCallRoute: ChangeRoute = {
  path: ['calls', 'try'],
  control: 'calls',
  action: 'call.try',
  prepare({ controls, body }) {
    checkBody(body, ['service', 'method', 'path', 'headers', 'timeoutMs'])
    const client = controls.client as AdminClient
    const service = checkName('body.service', body['service'])
    const method = checkOneOf('body.method', body['method'] ?? 'GET', methods)
    const path = checkText('body.path', body['path'], 8_192)
    if (!path.startsWith('/')) throw invalidError('body.path', 'another text', 'a path that starts with /')
    const headers = checkHeaders(body['headers'] ?? {})
    const timeoutMs = checkInteger('body.timeoutMs', body['timeoutMs'] ?? 10_000, { min: 1, max: longestMs })
    return {
      target: `${service} ${method} ${showPath(path)}`,
      run: ({ signal }) => tryCall(client, service, path, { method, headers, timeoutMs, signal }),
    }
  },
}

async function tryCall(
  client: AdminClient,
  service: string,
  path: string,
  options: Omit<Parameters<AdminClient['request']>[2], 'explain'>,
): Promise<TryCallReport> {
  const startedAt = performance.now()
  let explained: TriedCall | undefined
  let outcome: Pick<TryCallReport, 'status' | 'error'>
  try {
    const explain = (explanation: TriedCall): void => {
      explained = explanation
    }
    const response = await client.request(service, path, { ...options, explain })
    await response.bytes()
    outcome = { status: response.status }
  } catch (error) {
    // A call that fails is a result.
    if (error instanceof SdError && (error.code === 'SD_INVALID' || error.code === 'SD_CLOSED')) throw error
    outcome = { error: toWireError(error) }
  }
  const steps = (explained?.steps ?? []).map(({ atMs, step, attempt, origin, detail }) => ({
    atMs,
    step,
    ...(attempt !== undefined && { attempt }),
    ...(origin !== undefined && { origin }),
    ...(detail !== undefined && { detail }),
  }))
  return { service, ...outcome, durationMs: explained?.durationMs ?? performance.now() - startedAt, steps }
}

function checkHeaders(given: unknown): Readonly<Record<string, string>> {
  const headers = checkObject('body.headers', given)
  const names = Object.keys(headers)
  if (names.length > maxHeaders) throw invalidError('body.headers', `${names.length} fields`, `at most ${maxHeaders}`)
  for (const name of names) {
    // A value may be a secret, so that it is not in the message.
    if (typeof headers[name] !== 'string')
      throw invalidError(`body.headers.${name}`, `a value of type ${typeof headers[name]}`, 'a string')
  }
  return headers as Readonly<Record<string, string>>
}
