import type { RequestOptions } from '@sd/client'
import { checkFunction, checkObject, invalidError, SdError } from '@sd/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type CheckedArguments, checkArguments, type OperationEvent } from './call-operation.ts'
import { checkReceived } from './check-value.ts'
import type { EventsOperation, Operation } from './operation.ts'
import { buildPath } from './route.ts'
import {
  entriesOf,
  type OperationMethod,
  type Operations,
  type ServiceClientDefinition,
  type TypedClient,
} from './service-client.ts'

/** One call that a fake received. */
export interface FakeCall extends CheckedArguments {
  /** Name of the operation. */
  readonly operation: string
}

type Sent<Schema> = Schema extends StandardSchemaV1 ? StandardSchemaV1.InferInput<Schema> : unknown

type Handler<One> =
  One extends EventsOperation<string, infer Data>
    ? (
        ...values: Parameters<OperationMethod<One>>
      ) => Iterable<Partial<OperationEvent<Sent<Data>>>> | AsyncIterable<Partial<OperationEvent<Sent<Data>>>>
    : One extends Operation<string, infer Response>
      ? (
          ...values: Parameters<OperationMethod<One>>
        ) =>
          | (Response extends StandardSchemaV1 ? Sent<Response> : Awaited<ReturnType<OperationMethod<One>>>)
          | Promise<Response extends StandardSchemaV1 ? Sent<Response> : Awaited<ReturnType<OperationMethod<One>>>>
      : never

/** What a fake answers with: a function for each operation that the test uses. It may throw, for instance an `SdError`. */
export type FakeHandlers<All> = { readonly [Name in keyof All]?: Handler<All[Name]> }

/** A client for tests, without a network. */
export interface FakeClient<All> {
  readonly client: TypedClient<All>
  /** What it received, in order. */
  readonly calls: readonly FakeCall[]
}

/**
 * Makes a client for tests of code that calls the service. Arguments and results are checked by the same schemas as real ones, and results
 * take the way of JSON: a `Date` arrives as a string.
 *
 * @throws SdError `SD_INVALID` that names the handler; calls without a handler reject with `SD_UNSUPPORTED`
 */
export function createFakeClient<All extends Operations>(
  definition: ServiceClientDefinition<All>,
  handlers: FakeHandlers<NoInfer<All>>,
): FakeClient<All> {
  checkFunction('definition', definition as unknown as () => unknown)
  const { service, operations } = definition
  const calls: FakeCall[] = []
  for (const [name, handler] of Object.entries(checkObject('handlers', handlers))) {
    if (!Object.hasOwn(operations, name)) throw invalidError(`handlers.${name}`, name, `an operation of ${service}`)
    if (handler !== undefined) checkFunction(`handlers.${name}`, handler as () => unknown)
  }

  const unexpected = ({ route }: Operation | EventsOperation): string => `${service} ${route}: the fake returned unexpected JSON`

  function handlerOf(name: string): (...values: readonly unknown[]) => unknown {
    const handler = (handlers as Readonly<Record<string, unknown>>)[name]
    if (handler === undefined) throw new SdError('SD_UNSUPPORTED', `The fake of ${service} has no handler for ${name}`)
    return handler as (...values: readonly unknown[]) => unknown
  }

  async function call(name: string, one: Operation, values: readonly unknown[]): Promise<unknown> {
    calls.push({ operation: name, ...(await checkArguments(one, values)) })
    const result = await handlerOf(name)(...values)
    if (typeof one.response === 'string') return one.response === 'json' ? throughJson(result) : result
    return checkReceived(one.response, throughJson(result), unexpected(one))
  }

  async function* follow(
    name: string,
    one: EventsOperation,
    values: readonly unknown[],
  ): AsyncGenerator<OperationEvent<unknown>> {
    const options = (values[one.parsed.names.length] ?? {}) as RequestOptions
    calls.push({ operation: name, path: buildPath(one.parsed, values), query: options.query, body: undefined, options })
    const events = handlerOf(name)(...values) as AsyncIterable<Partial<OperationEvent<unknown>>>
    for await (const { event = 'message', data, ...rest } of events) {
      const checked = one.data ? await checkReceived(one.data, throughJson(data), unexpected(one)) : data
      yield { event, data: checked, ...rest }
    }
  }

  const methods = entriesOf(operations).map(([name, one]) => [
    name,
    one.kind === 'events'
      ? (...values: readonly unknown[]) => follow(name, one, values)
      : (...values: readonly unknown[]) => call(name, one, values),
  ])
  return { client: Object.freeze(Object.fromEntries(methods)) as TypedClient<All>, calls }
}

function throughJson(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value))
}
