/** Response of the servers in the client benchmarks: about 200 bytes of JSON. */
export const order: {
  readonly id: string
  readonly customer: string
  readonly lines: readonly { readonly sku: string; readonly count: number }[]
} = {
  id: 'order-1',
  customer: 'c-123456',
  lines: Array.from({ length: 5 }, (_, index) => ({ sku: `sku-${index}`, count: index })),
}
