import { perRequest } from '../per-request.ts'
import { serveSlices } from '../slice-process.ts'
import { callers } from './callers.ts'

// One caller in a separate process, so that CPU time, traces and metrics are its own. Runs a slice on each message.
const [name = '', moleculer, ...http] = process.argv.slice(2)
const caller = callers.find((one) => one.name === name)
if (!caller) throw new Error(`Unknown caller ${name}`)
const { slice } = perRequest(name, await caller.create({ http: http.map(Number), moleculer: Number(moleculer) }))
serveSlices(slice)
