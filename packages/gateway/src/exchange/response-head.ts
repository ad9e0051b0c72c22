import type { CreateBodyTransform } from '../filters/body-transform.ts'
import type { GatewayResponse } from '../filters/filter.ts'
import { FieldList } from './field-list.ts'

/** The head of a response, as filters see and change it. */
export class ResponseHead extends FieldList implements GatewayResponse {
  readonly status: number
  /** Transforms of the body, in their order. */
  transforms: CreateBodyTransform[] | undefined

  constructor(status: number, raw: string[]) {
    super(raw)
    this.status = status
  }

  get rawHeaders(): readonly string[] {
    return this.raw
  }

  header(name: string): string | undefined {
    return this.get(name.toLowerCase())
  }

  setHeader(name: string, value: string): void {
    this.set(name, value)
  }

  addHeader(name: string, value: string): void {
    this.add(name, value)
  }

  removeHeader(name: string): void {
    this.remove(name.toLowerCase())
  }

  transformBody(create: CreateBodyTransform, { keepsLength = false }: { readonly keepsLength?: boolean } = {}): void {
    if (!keepsLength) this.remove('content-length')
    this.transforms ??= []
    this.transforms.push(create)
  }
}
