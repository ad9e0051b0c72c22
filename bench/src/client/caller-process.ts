import { perRequest } from '../per-request.ts'
import { serveSlices } from '../slice-process.ts'
import { type CallerName, openCallers } from './callers.ts'

// One caller in a process of its own. Runs a slice when it is told.
const [name = '', ...ports] = process.argv.slice(2)
if (!Object.hasOwn(openCallers, name)) throw new Error(`There is no caller ${name}`)
const { send } = await openCallers[name as CallerName](ports.map(Number))
const { slice } = perRequest(name, send, 4_000)
serveSlices(slice)
