// All services of the shop in one process. `REGISTRY=consul://127.0.0.1:8500 node src/orders.ts` runs one of them alone.
import '@sd/example-shop/stock'
import '@sd/example-shop/prices'
import './orders.ts'

process.stdout.write(`Listening: curl http://127.0.0.1:${process.env['PORT'] ?? 3000}/orders/7\n`)
