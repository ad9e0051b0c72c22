import { type DescMethod, type FileRegistry, getOption, type Message } from '@bufbuild/protobuf'
import { invalidError, SdError } from '@sd/core'
import { compareTemplates, matchTemplate, type PathTemplate, readTemplate, templateKey } from './path-template.ts'

/** A method of gRPC at a method and path of HTTP. */
export interface Binding {
  readonly rpc: DescMethod
  readonly method: string
  readonly template: PathTemplate
  /** Field of the request that the body is: `*` for the request itself, `undefined` for no body. */
  readonly body: string | undefined
  /** Field of the response that the body is. @default the whole response */
  readonly responseBody: string | undefined
}

/** A binding with the values of its path. */
export interface BoundRequest {
  readonly binding: Binding
  readonly values: ReadonlyMap<string, string>
}

/** `google.api.HttpRule`, read by its descriptor. */
interface HttpRule extends Message {
  readonly pattern: { readonly case?: string; readonly value?: string | { readonly kind: string; readonly path: string } }
  readonly body: string
  readonly responseBody: string
  readonly additionalBindings: readonly HttpRule[]
}

/** Bindings by method of HTTP, the most specific first. */
export class Bindings {
  readonly #byMethod = new Map<string, Binding[]>()

  /** @throws SdError `SD_INVALID` for annotations that can't be in effect, or if there are none */
  constructor(registry: FileRegistry) {
    const option = registry.getExtension('google.api.http')
    if (!option) {
      const want =
        'a FileDescriptorSet with google/api/annotations.proto (protoc --include_imports), whose methods have google.api.http'
      throw invalidError('descriptors', 'no annotations', want)
    }
    const keys = new Map<string, DescMethod>()
    for (const file of registry.files) {
      for (const service of file.services) {
        for (const rpc of service.methods) {
          const rule = getOption(rpc, option) as HttpRule
          if (rule.pattern?.case === undefined) continue
          for (const each of [rule, ...rule.additionalBindings]) this.#add(readRule(rpc, each), keys)
        }
      }
    }
    for (const list of this.#byMethod.values()) list.sort((one, other) => compareTemplates(one.template, other.template))
  }

  /** @param path with query */
  find(method: string, path: string): BoundRequest | undefined {
    const list = this.#byMethod.get(method)
    if (!list) return undefined
    const question = path.indexOf('?')
    const plain = question < 0 ? path : path.slice(0, question)
    for (const binding of list) {
      const values = matchTemplate(binding.template, plain)
      if (values) return { binding, values }
    }
    return undefined
  }

  #add(binding: Binding, keys: Map<string, DescMethod>): void {
    const key = `${binding.method} ${templateKey(binding.template)}`
    const other = keys.get(key)
    if (other) {
      const message = `Invalid descriptors: ${nameOf(other)} and ${nameOf(binding.rpc)} have the same method and path of HTTP`
      throw new SdError('SD_INVALID', message, { field: 'descriptors' })
    }
    keys.set(key, binding.rpc)
    const list = this.#byMethod.get(binding.method) ?? []
    this.#byMethod.set(binding.method, list)
    list.push(binding)
  }
}

/** Full name of a method, such as `shop.Carts.Get`. */
export function nameOf(rpc: DescMethod): string {
  return `${rpc.parent.typeName}.${rpc.name}`
}

function readRule(rpc: DescMethod, { pattern, body, responseBody }: HttpRule): Binding {
  const field = `descriptors: ${nameOf(rpc)}`
  if (rpc.methodKind === 'client_streaming' || rpc.methodKind === 'bidi_streaming') {
    throw invalidError(field, rpc.methodKind, 'a method whose request is one message')
  }
  const { value } = pattern
  const [method, path] =
    typeof value === 'string' ? [(pattern.case as string).toUpperCase(), value] : [value?.kind ?? '', value?.path ?? '']
  if (!/^[A-Z][A-Z-]*$/.test(method)) throw invalidError(field, method, 'a method of HTTP in upper case')
  for (const [name, message] of [
    [body === '*' ? '' : body, rpc.input],
    [responseBody, rpc.output],
  ] as const) {
    if (name !== '' && !message.fields.some((one) => one.name === name))
      throw invalidError(field, name, `a field of ${message.typeName}`)
  }
  return { rpc, method, template: readTemplate(field, path), body: body || undefined, responseBody: responseBody || undefined }
}
