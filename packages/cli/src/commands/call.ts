import { type CallExplanation, formatExplanation, type ServiceResponse } from '@sd/client'
import { invalidError, masking, SdError, toWireError } from '@sd/core'
import type { CommandContext, CommandResult, MixedCommand, WriteContext } from '../command.ts'
import { readText } from '../config/read-text.ts'
import { type Line, lines, source, styled, type View } from '../output/view.ts'

const safeMethods: readonly string[] = ['GET', 'HEAD']
const methods: readonly string[] = [...safeMethods, 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']
/** Longest body that is printed, in characters. */
const longestBody = 100_000

/** `sdctl call <service> <method> <path>`: one call, made from here as a service would make it. */
export const call: MixedCommand = {
  writes: true,
  arguments: [
    { name: 'service', description: 'name of the service' },
    { name: 'method', description: `one of ${methods.join(', ')}; all but GET and HEAD need a context that may write` },
    { name: 'path', description: 'path with its query, such as /orders/7' },
  ],
  options: [
    { flags: '--explain', description: 'prints which endpoints there are, and each step of the call' },
    { flags: '--header <name: value>', description: 'a header field', isRepeatable: true },
    { flags: '--data <file>', description: 'file with the body, or - for the standard input' },
  ],
  reading: (context) => (safeMethods.includes(methodOf(context)) ? { run: send } : undefined),
  async plan(context) {
    const method = methodOf(context)
    const { label } = await context.target()
    const [service, path] = [context.argument('service'), context.argument('path')]
    // Read now: the standard input also has the answer to the question.
    const body = await readBody(context)
    return {
      view: [lines(styled('bold', `Sends ${method} ${path} to an instance of ${service} of ${label}.`))],
      async apply(writing: WriteContext) {
        const result = await send(writing, body)
        return { ...result, data: { ...(result.data as object), reason: writing.reason } }
      },
    }
  },
}

function methodOf({ argument }: CommandContext): string {
  const method = argument('method').toUpperCase()
  if (methods.includes(method)) return method
  throw invalidError('method', argument('method'), `one of ${methods.join(', ')}`)
}

async function readBody(context: CommandContext): Promise<string | undefined> {
  const file = context.option('data')
  return file === undefined ? undefined : readText('--data', file, context)
}

async function send(context: CommandContext, body?: string): Promise<CommandResult> {
  const registry = await context.openSource()
  const [{ createServiceClient }, { createDiscovery }, { createP2cBalancer }] = await Promise.all([
    import('@sd/client'),
    import('@sd/discovery'),
    import('@sd/balancer-p2c'),
  ])
  await using discovery = createDiscovery({ source: registry })
  await using client = createServiceClient({ discovery, balancer: createP2cBalancer(), timeoutMs: 0, closeTimeoutMs: 0 })
  const [service, path, method] = [context.argument('service'), context.argument('path'), methodOf(context)]
  let explanation: CallExplanation | undefined
  let response: ServiceResponse | undefined
  let text = ''
  let error: SdError | undefined
  try {
    response = await client.request(service, path, {
      method,
      headers: readHeaders(context.list('header')),
      ...(body !== undefined && { body }),
      signal: context.signal,
      explain: (one) => {
        explanation = one
      },
    })
    text = await response.text()
  } catch (thrown) {
    // Without the steps a failure says little, so it is a result if they are wanted.
    if (!(thrown instanceof SdError) || !context.flag('explain') || context.signal.aborted) throw thrown
    error = thrown
  }
  return {
    data: {
      service,
      method,
      path: withoutQuery(path),
      ...toData(response, text, error),
      ...(context.flag('explain') && explanation && { explanation: toSteps(explanation) }),
    },
    hasProblems: error !== undefined || (response?.status ?? 0) >= 400,
    view: describe(context, explanation, response, text, error),
  }
}

function readHeaders(fields: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    fields.map((field) => {
      const [, name, value] = /^([^:\s]+):\s*(.*)$/.exec(field) ?? []
      if (name === undefined || value === undefined)
        throw invalidError('--header', 'another text', 'a field such as "accept: text/plain"')
      return [name, value]
    }),
  )
}

function toData(response: ServiceResponse | undefined, text: string, error: SdError | undefined): object {
  if (!response) return error ? { error: toWireError(error) } : {}
  const headers = Object.fromEntries(Object.entries(response.headers).filter(([, value]) => value !== undefined))
  return {
    status: response.status,
    instanceId: response.endpoint.instance.id,
    origin: response.endpoint.origin,
    attempts: response.attempts,
    headers: masking.value(headers),
    body: text.slice(0, longestBody),
    isCut: text.length > longestBody,
    ...(error && { error: toWireError(error) }),
  }
}

function toSteps({ cluster, steps, durationMs }: CallExplanation): object {
  const endpoints = (cluster?.endpoints ?? []).map(({ endpoint, weight, dropped }) => ({
    instanceId: endpoint.instance.id,
    origin: endpoint.origin,
    weight,
    ...(dropped !== undefined && { dropped }),
  }))
  return {
    durationMs,
    isPanic: cluster?.isPanic ?? false,
    endpoints,
    steps: steps.map((step) => Object.fromEntries(Object.entries(step).filter(([, value]) => value !== undefined))),
  }
}

function describe(
  context: CommandContext,
  explanation: CallExplanation | undefined,
  response: ServiceResponse | undefined,
  text: string,
  error: SdError | undefined,
): View {
  const { status = 0, endpoint } = response ?? {}
  const head: Line = [
    styled(status >= 400 ? 'red' : 'green', String(status)),
    styled('dim', `  by ${endpoint?.instance.id} at ${endpoint?.origin}`),
  ]
  const cut = text.length > longestBody ? [lines(styled('dim', `${text.length - longestBody} more characters`))] : []
  return [
    ...(context.flag('explain') && explanation ? [source(formatExplanation(explanation))] : []),
    ...(response ? [lines(head), ...(text === '' ? [] : [source(text.slice(0, longestBody))]), ...cut] : []),
    ...(error ? [lines(styled('red', `${error.code}: ${error.message}`))] : []),
  ]
}

function withoutQuery(path: string): string {
  return path.replace(/[?#].*$/s, '')
}
