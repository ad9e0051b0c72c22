import { callKind, kinds } from './kinds.ts'
import { grpcModules } from './modules.ts'
import { call, ordersDefinition } from './orders.ts'
import { createStage } from './stage.ts'

/** Makes calls with the given version of grpc-js, closes everything except a client, and must then exit by itself. */
const [, , minor] = process.argv
const [, grpc] = grpcModules.find(([name]) => name === minor) as (typeof grpcModules)[number]
const stage = createStage(grpc)
await stage.serve('a')
await stage.serve('b')
const Forgotten = grpc.makeGenericClientConstructor(ordersDefinition, 'Orders')
const forgotten = new Forgotten('sd:///orders', grpc.credentials.createInsecure())
for (let calls = 0; calls < 4; calls++) await call(grpc, forgotten as never)
const channelFactoryOverride = stage.services.channelFactory(ordersDefinition)
const forgottenWithPolicies = new Forgotten('sd:///orders', grpc.credentials.createInsecure(), { channelFactoryOverride })
for (const kind of kinds) await callKind(grpc, forgottenWithPolicies as never, kind).reply
process.stdout.write(await call(grpc, stage.dial()))
await stage[Symbol.asyncDispose]()
