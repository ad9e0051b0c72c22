/** How the requests to orders are split. */
export interface Split {
  /** Share of version 2, in percent. */
  readonly canary: number
}

/** The document of the gateway. `npx @sd/gateway-server run gateway.yaml` runs it. */
export function toDocument({ canary }: Split, more: string = ''): string {
  return `version: 1
registry: { type: static, file: services.json }
listeners:
  - { name: edge, address: "127.0.0.1:0" }
observe: { address: "127.0.0.1:0" }
affinityKeys: ["file:affinity.key"]
drain: { propagationDelayMs: 1500 }
defaults: { resilient: true }
services:
  orders: { timeoutMs: 10000 }
  carts: { balancer: round-robin }
  users: {}
routes:
  # A request that asks for it gets version 2.
  - name: orders-preview
    match: { path: /orders/*, headers: { x-preview: { present: true } } }
    forward: { service: orders, instances: { version: "2" } }
  # Of the others, ${canary} %.
  - name: orders
    match: { path: /orders/* }
    forward:
      - { service: orders, weight: ${100 - canary}, instances: { version: "1" } }
      - { service: orders, weight: ${canary}, instances: { version: "2" } }
  # A session stays on one instance.
  - name: carts
    match: { path: /carts/* }
    forward: { service: carts }
    affinity: { cookie: edge }
  - name: users
    match: { path: "/users/{id}" }
    forward: { service: users }
    rewrite: { path: "/people/{id}" }
${more}`
}
