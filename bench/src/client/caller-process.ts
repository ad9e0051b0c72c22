import { perRequest } from '../per-request.ts'
import { serveSlices } from '../slice-process.ts'
import { type CallerName, openCallers } from './callers.ts'

// One caller in a separate process. Runs a slice on each message.
const [name = '', ...ports] = process.argv.slice(2)
if (!Object.hasOwn(openCallers, name)) throw new Error(`Unknown caller ${name}`)
const { send } = await openCallers[name as CallerName](ports.map(Number))
const { slice } = perRequest(name, send, 4_000)
serveSlices(slice)
