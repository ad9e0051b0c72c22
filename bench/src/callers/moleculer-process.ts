import { createBroker, orders, tcp } from './peers.ts'

// Server of moleculer's remote calls.
const broker = createBroker('server', tcp([]))
broker.createService(orders)
await broker.start()
process.on('disconnect', () => process.exit())
process.send?.(broker.getLocalNodeInfo().port)
